"""The Streamlit app: pages over ``umt_core``."""

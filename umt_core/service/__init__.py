"""The taggers over HTTP: questions and answers in JSON, who may ask, and how much."""

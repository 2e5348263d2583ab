"""What a prediction rests on: attention, gate, and the parts of an emission."""

"""Models: how a model file becomes something that predicts."""

"""The map of items: computed in a process of its own and kept beside the model. Nothing here needs NiceGUI."""

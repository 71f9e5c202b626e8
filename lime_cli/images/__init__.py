"""Images as instances: the superpixels are the components."""

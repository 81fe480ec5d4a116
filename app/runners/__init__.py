"""What runs by itself: the worker, the handler processes it drives, and the maintainer."""

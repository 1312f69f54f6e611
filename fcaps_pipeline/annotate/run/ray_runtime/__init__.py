"""The run on Ray: actors around the plain classes of this room, and the driver that starts and replaces them."""

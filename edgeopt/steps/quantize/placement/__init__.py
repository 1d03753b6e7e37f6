"""Which nodes run on integers: by kernel, by size, and by measurement."""

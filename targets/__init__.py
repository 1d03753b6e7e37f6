"""Device profiles, one TOML file each; shipped in the wheel as `edgeopt._targets`."""

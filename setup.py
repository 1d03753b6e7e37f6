"""Packages of the wheel: `targets/` and `models/` ship as `edgeopt._targets` and `edgeopt._models`."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["edgeopt", "edgeopt.*"]), "edgeopt._targets", "edgeopt._models"],
    package_dir={"edgeopt._targets": "targets", "edgeopt._models": "models"},
    package_data={
        "edgeopt": ["py.typed", "workflow/templates/*", "predict/*.json"],
        "edgeopt._targets": ["*.toml"],
        "edgeopt._models": ["*.onnx", "*.pt", "*.npz"],
    },
)

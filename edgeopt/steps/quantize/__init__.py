"""Post-training quantization, native.

`step` is the step and its options; a scheme each in `int8`, `dynamic`, `int4` and `half`. A float model is made ready
in `prepare`. For int8, `placement` says which nodes run on integers, `observation` what calibration sees, `ranges` what
follows from it for activations, `channels` and `rounding` what is corrected, `choice` which corrections are kept, and
`write` makes the model.
"""

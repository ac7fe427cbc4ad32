"""Measurements as commands: each prints and writes what it found, and none of them is a test.

| command | what it finds |
|---|---|
| `make load`: `locustfile.py`, `load/` | what the service answers under a load, closed or at a rate, against limits |
| `python -m loadtest.compare` | this service against other servers of the same model, and one setting against another |
| `python -m loadtest.batching` | what dynamic batching is worth on a GPU, beside ONNX Runtime alone |
| `python -m loadtest.gpu_options` | what each option of ONNX Runtime's CUDA provider is worth |
| `python -m loadtest.overload` | what more requests than the model can answer do |
| `python -m loadtest.soak` | whether memory and open files stay flat |
| `python -m loadtest.fuzz` | what damaged pictures do |
| `python -m loadtest.jobs` | whether jobs survive workers that are killed |
| `python -m loadtest.int8`, `.delineation`, `.he_tissue` | what one model costs, or how well it answers |
| `python -m loadtest.page`, `.viewer` | how quick the page is in a browser |

`shared/` holds what several of them use.
"""

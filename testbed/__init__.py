"""What tests and load tests share. It imports neither of them.

- `servers`: the real Triton, the frontend and the whole service, started on free ports and ended.
- `in_process`, `fakes`: the application without a socket, with a stand-in for Triton.
- `tiny_models`, `timed_model`, `model_folder`: models that cost next to nothing.
- `encoded_pictures`: pictures of every kind that a caller may send.
- `picture_files`: files byte by byte, for what no encoder here writes.
- `http_callers`: callers that keep asking, what they met, and the words that none should meet.
- `aws_emulator`, `aws_environment`, `aws_template`: the project's stacks on an emulator of AWS.
- `chromium`: the browser.
"""

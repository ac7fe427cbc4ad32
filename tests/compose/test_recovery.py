"""Whatever is killed comes back without help, and what was stored stays."""

import time

import httpx
import pytest

pytestmark = pytest.mark.timeout(900)

LONGEST_RESTART_S = 90


def predict_until_it_works(stack, new_picture):
    """Upload new pictures until one is answered; returns all responses, the last of which is 200."""
    responses = []
    deadline = time.monotonic() + LONGEST_RESTART_S
    while not responses or responses[-1].status_code != 200:
        assert time.monotonic() < deadline, [response.text for response in responses[-3:]]
        responses.append(stack.predict(new_picture()))
        time.sleep(0.1)
    return responses


def test_uploads_get_503_while_triton_is_away_and_work_again(stack, new_picture):
    assert stack.predict(new_picture()).status_code == 200
    stack.kill("triton", "tritonserver")
    *refused, answered = predict_until_it_works(stack, new_picture)
    assert refused
    for response in refused:
        assert response.status_code == 503, response.text
        assert response.headers["Content-Type"] == "application/problem+json"
        assert int(response.headers["Retry-After"]) > 0
    assert answered.status_code == 200
    assert stack.inspect("triton")["RestartCount"] == 0  # the launcher inside brings it back


def test_the_process_of_a_model_that_was_killed_comes_back(stack, new_picture):
    assert stack.predict(new_picture()).status_code == 200
    stack.kill("triton", "triton_python_backend_stub")
    answered = predict_until_it_works(stack, new_picture)[-1]
    assert answered.status_code == 200
    assert stack.inspect("triton")["RestartCount"] == 0


def test_the_frontend_comes_back_with_its_results(stack, new_picture):
    address = stack.predict(new_picture()).raise_for_status().json()["links"]["self"]
    stack.kill("frontend", "python")
    deadline = time.monotonic() + LONGEST_RESTART_S
    while True:
        try:
            if stack.client.get("/readyz").status_code == 200:
                break
        except httpx.TransportError:
            assert time.monotonic() < deadline
        time.sleep(0.1)
    assert stack.inspect("frontend")["RestartCount"] == 1
    assert stack.client.get(address).status_code == 200
    assert stack.predict(new_picture()).status_code == 200


def test_results_outlive_the_containers(stack, new_picture):
    stored = stack.predict(new_picture()).raise_for_status().json()
    stack.compose("down")
    stack.compose("up", "--detach", "--wait")
    found = stack.client.get(stored["links"]["self"]).raise_for_status().json()
    assert found["probabilities"] == stored["probabilities"]
    assert found["provenance"]["created"] == stored["provenance"]["created"]

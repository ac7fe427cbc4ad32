"""Tests: unit (mirrors the packages), contract, integration (real Triton), browser, load, meta."""

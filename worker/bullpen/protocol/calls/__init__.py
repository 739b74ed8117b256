"""Builders of calls, one module a noun. All are pure; `now` is the caller's clock in epoch ms."""

"""Commands about pools: in `bullpen`, whose table names them, and in `kubectl bullpen`."""

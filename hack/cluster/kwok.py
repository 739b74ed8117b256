"""kwok, whose nodes and pods exist in the API server alone: benchmarks with more pods than a machine has room for."""

from hack.cluster.go_program import GoProgram

PROGRAM = GoProgram(
    name="kwok",
    module="kwok",
    package="sigs.k8s.io/kwok/cmd/kwok",
    version="v0.7.0",
    stamp="sigs.k8s.io/kwok/pkg/consts.Version",
    usually="2 min on 2 cores",
)

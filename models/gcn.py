"""The graph convolutional network: classes of a graph's nodes, from their features and their neighbours'."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from tdl_tui.registry import DataShape

from .layers import ACTIVATIONS


def normalised(adjacency: Tensor) -> Tensor:
    """D^-1/2 (A + I) D^-1/2, where D holds the sums of the rows of A + I (Kipf & Welling 2017, eq. 2).

    `adjacency` is (n, n), symmetric, its edges' weights at least 0, and 0 where there is no edge.
    """
    looped = adjacency + torch.eye(len(adjacency), dtype=adjacency.dtype, device=adjacency.device)
    scale = looped.sum(1).rsqrt()
    return scale[:, None] * looped * scale


class GraphConvolution(nn.Module):
    """Â X W of node features X (n, inputs): each node's new features are a weighted mean over its neighbours and
    itself (Kipf & Welling 2017, eq. 2). Gives (n, outputs). W is drawn as Glorot & Bengio 2010 do.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(inputs, outputs))
        nn.init.xavier_uniform_(self.weight)

    def forward(self, features: Tensor, adjacency: Tensor) -> Tensor:
        return adjacency @ (features @ self.weight)


class GCN(nn.Module):
    """Z = Â φ(… φ(Â X W_1) …) W_L with Â = D^-1/2 (A + I) D^-1/2: graph convolutions with an activation between them
    (Kipf & Welling 2017, eqs. 2 and 9). Edges' weights count, dropout is before each convolution.

    It has to `see` its graph before it answers; the graph is part of the data, and of no checkpoint. Takes nodes'
    numbers, (N, 1) int64, and gives (N, outputs): their logits or predictions. All nodes are computed each time.
    """

    adjacency: Tensor
    features: Tensor

    def __init__(self, shape: DataShape, widths: tuple[int, ...], activation: str, dropout: float) -> None:
        super().__init__()
        nodes, features = shape.graph
        self.register_buffer("adjacency", torch.zeros(nodes, nodes), persistent=False)
        self.register_buffer("features", torch.zeros(nodes, features), persistent=False)
        self._has_seen = False
        self.hidden = nn.ModuleList()
        for width in widths:
            self.hidden.append(GraphConvolution(features, width))
            features = width
        self.activation = ACTIVATIONS[activation]()
        self.dropout = nn.Dropout(dropout)
        self.head = GraphConvolution(features, shape.outputs)

    def see(self, context: Mapping[str, Tensor]) -> None:
        """Takes the graph: "adjacency" (n, n) of edges' weights and "features" (n, F), both float32, on any device.

        Raises ValueError where they are of another size than the data's shape said, a weight is below 0, or an edge
        has not the same weight both ways.
        """
        adjacency, features = context["adjacency"], context["features"]
        if adjacency.shape != self.adjacency.shape or features.shape != self.features.shape:
            said = f"{tuple(self.adjacency.shape)} and {tuple(self.features.shape)}"
            raise ValueError(f"a graph of {tuple(adjacency.shape)} and {tuple(features.shape)}, the data said {said}")
        if not adjacency.equal(adjacency.T) or adjacency.lt(0).any():
            raise ValueError("a graph's edges weigh at least 0, and the same both ways")
        self.adjacency.copy_(normalised(adjacency))
        self.features.copy_(features)
        self._has_seen = True

    def forward(self, nodes: Tensor) -> Tensor:
        if not self._has_seen and not nodes.is_meta:
            raise RuntimeError("gcn has not seen its graph: see(context) comes before the first answer")
        features = self.features
        for convolution in self.hidden:
            features = self.activation(convolution(self.dropout(features), self.adjacency))
        outputs: Tensor = self.head(self.dropout(features), self.adjacency)
        return outputs[nodes[:, 0]]

"""What a type checker must refuse, each with the rule that does."""

import torch

import lossary
import lossary.functional as F
from lossary import nn

x, y = torch.zeros(3, 4), torch.zeros(3, dtype=torch.int64)

lossary.cross_entropy(x, y, reduction="avg")  # reportArgumentType
lossary.cross_entropy(x, y, wieght=x)  # reportCallIssue
lossary.cross_entropy(x)  # reportCallIssue
lossary.mse_loss(x, x, impl="fastest")  # reportArgumentType
F.rleu(x)  # reportAttributeAccessIssue
lossary.crossentropy(x, y)  # reportAttributeAccessIssue
lossary.relu(x)  # reportAttributeAccessIssue
nn.CrossEntropyLoss(wieght=3)  # reportCallIssue
nn.CrossEntropyLoss(reduction="avg")  # reportArgumentType
nn.CrossEntropyLoss(x, y, x, y, x, y, x)  # reportCallIssue
nn.Linaer(3, 4)  # reportAttributeAccessIssue
nn.MSELoss()(x)  # reportCallIssue

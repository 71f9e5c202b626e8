"""Train the small network that names the object in a scene, and write it as ONNX."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import torch
from scenes import CLASSES, SEED, SIDE, draw_many
from torch import nn


def network() -> nn.Sequential:
    """Make the untrained network, five convolutions and a global average."""
    layers: list[nn.Module] = [nn.BatchNorm2d(3)]
    plan = [(3, 16, 2), (16, 32, 2), (32, 48, 1), (48, 64, 2), (64, 96, 1)]
    for before, after, stride in plan:
        layers.append(nn.Conv2d(before, after, 3, stride, 1, bias=False))
        layers += [nn.BatchNorm2d(after), nn.ReLU()]
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(96, len(CLASSES))]
    return nn.Sequential(*layers)


def train(count: int = 24000, epochs: int = 6, size: int = 64) -> nn.Sequential:
    """Train the network on freshly drawn scenes."""
    torch.manual_seed(SEED)
    pixels, numbers = (torch.from_numpy(part) for part in draw_many(SEED, count, 0.6))
    model = network().train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-2)
    steps = epochs * (count // size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 6e-3, total_steps=steps)
    loss_of = nn.CrossEntropyLoss(label_smoothing=0.02)
    for epoch in range(epochs):
        order, total = torch.randperm(count), 0.0
        for batch in order[: count // size * size].split(size):
            optimizer.zero_grad()
            loss = loss_of(model(pixels[batch].float() / 255), numbers[batch])
            loss.backward()
            optimizer.step()
            schedule.step()
            total += float(loss.detach()) * size
        print(f"scenes: epoch {epoch + 1}/{epochs}, loss {total / count:.4f}", flush=True)
    return model.eval()


def accuracy(model: nn.Sequential, blotted: float, count: int = 3000) -> float:
    """Measure the accuracy on scenes that the training has not seen."""
    pixels, numbers = draw_many(SEED + 1, count, blotted)
    with torch.no_grad():
        chunks = torch.from_numpy(pixels).split(500)
        scores = torch.cat([model(chunk.float() / 255) for chunk in chunks])
    return float((scores.argmax(1).numpy() == numbers).mean())


def write_network(path: Path) -> Path:
    """Train the network and write it as ONNX with its classes in the metadata."""
    model = train()
    for blotted in (0.0, 1.0):
        share = accuracy(model, blotted)
        print(f"scenes: held-out accuracy {share:.4f} (blotted out: {blotted:.0%})")
    whole = nn.Sequential(model, nn.Softmax(dim=1)).eval()
    torch.onnx.export(
        whole,
        (torch.zeros(1, 3, SIDE, SIDE),),
        str(path),
        input_names=["image"],
        output_names=["probabilities"],
        dynamic_axes={"image": {0: "batch"}, "probabilities": {0: "batch"}},
        opset_version=17,
        dynamo=False,
    )
    proto = onnx.load(path)
    notes = {"limex.classes": json.dumps(CLASSES), "limex.preprocess": "unit"}
    onnx.helper.set_model_props(proto, notes)
    onnx.save(proto, path)
    return path

#!/usr/bin/env python3
"""The pictures of docs/results/README.md, from the documents beside it. Needs matplotlib.

usage: figures.py        writes vgg11.png beside itself
"""
import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

HERE = Path(__file__).parent
COLOURS = {"ConvS": "#1b7fbd", "UNetS": "#c8553d", "ConvL": "#3a8f4d"}
NEUTRAL = "#555555"
# The paper's table 12 (CIFAR-10, VGG11, 1 %): PA(NF), and the energy saved by its table 2.
PAPER_PA = 42.2
PAPER = {
    "ConvL": (87.2, 6.6), "ConvS": (66.3, 27.5), "DeConvL": (87.2, 11.2), "DeConvS": (68.2, 24.1),
    "UNetL": (83.6, 17.1), "UNetS": (72.7, 27.2),
}
ALONE = 30.6


def documents(name):
    """The evaluations of a document, which `nf-gpu eval --out` wrote: one for each generator."""
    found = json.loads((HERE / name).read_text())
    return found.get("runs", [found])


def curves(ax, evaluations):
    """Accuracy against the rate of faulty cells."""
    alone = evaluations[0]

    def draw(evaluation, clean, key, colour, label):
        rates = [0.0] + [100 * p["ber"] for p in evaluation["perturbed"]]
        means = [clean] + [p[key]["mean"] for p in evaluation["perturbed"]]
        spread = [0.0] + [p[key]["std"] for p in evaluation["perturbed"]]
        order = sorted(range(len(rates)), key=rates.__getitem__)
        ax.errorbar([rates[i] for i in order], [means[i] for i in order], [spread[i] for i in order],
                    color=colour, label=label, marker="o", markersize=4, capsize=3, linewidth=1.5)

    draw(alone, alone["clean"]["accuracy"], "accuracy", NEUTRAL, "VGG11 alone")
    for evaluation in evaluations:
        name = evaluation["generator"]["name"]
        draw(evaluation, evaluation["clean"]["accuracy_nf"], "accuracy_nf", COLOURS[name], f"with {name}")
    ax.set_xlabel("faulty cells (%)")
    ax.set_ylabel("accuracy on CIFAR-10's test set (%)")
    ax.set_ylim(0, 100)
    ax.legend(frameon=False, loc="lower left")


def scatter(ax, evaluations):
    """Accuracy at 1 % of faulty cells against the energy of the weight memory, beside the paper's points."""
    def rate(evaluation):
        return next(p for p in evaluation["perturbed"] if p["ber"] == 0.01)

    first = evaluations[0]
    ax.plot(100, first["clean"]["accuracy"], "s", color=NEUTRAL)
    ax.annotate("nominal voltage", (100, first["clean"]["accuracy"]), xytext=(-6, 4),
                textcoords="offset points", ha="right")
    ax.plot(100 - ALONE, rate(first)["accuracy"]["mean"], "s", color=NEUTRAL)
    ax.annotate("low voltage, alone", (100 - ALONE, rate(first)["accuracy"]["mean"]), xytext=(6, -3),
                textcoords="offset points")
    for name, (accuracy, saved) in PAPER.items():
        ax.plot(100 - saved, accuracy, "o", markerfacecolor="none", color=COLOURS.get(name, "#999999"))
        below = name in ("DeConvL", "UNetL")
        ax.annotate(name, (100 - saved, accuracy), xytext=(0, -13 if below else 6), ha="center",
                    textcoords="offset points", fontsize=8, color="#777777")
    for evaluation in evaluations:
        name, point = evaluation["generator"]["name"], rate(evaluation)
        energy = 100 - point["energy"]["saving_percent"]
        ax.errorbar(energy, point["accuracy_nf"]["mean"], point["accuracy_nf"]["std"], fmt="o",
                    color=COLOURS[name], capsize=3, label=f"{name}, here")
    ax.plot([], [], "o", markerfacecolor="none", color="#999999", label="the paper, its own maps")
    ax.set_xlabel("energy of the weight memory (% of nominal voltage)")
    ax.set_ylabel("accuracy with 1 % of faulty cells (%)")
    ax.set_ylim(30, 100)
    ax.set_xlim(65, 103)
    ax.legend(frameon=False, loc="lower right")


def main():
    plt.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    evaluations = documents("vgg11-reference.json")
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4))
    curves(left, evaluations)
    scatter(right, evaluations)
    figure.tight_layout()
    figure.savefig(HERE / "vgg11.png", dpi=110)


if __name__ == "__main__":
    main()

"""Synthetic loan applicants: made by chance and formula, from no real person's data.

What is realistic: about one loan in ten defaults, amounts are skewed, features depend on each other, some were never
reported, and the risk bends and interacts, so that a boosted model has something to find that a scorecard misses.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FEATURES = (
    "age",  # years
    "income",  # a year, in thousands
    "amount",  # of the loan, in thousands
    "term",  # months
    "share_of_income",  # a month's instalment / a month's income
    "used_credit",  # share of the credit lines that is drawn, 0 to 1
    "years_employed",
    "late_payments",  # in the last two years
    "enquiries",  # of lenders in the last six months
    "months_on_file",  # since the first account
)
REGIONS = ("north", "east", "south", "west")
_BASE_RISK = -3.85  # gives one default in ten


def applicants(count: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.str_]]:
    """Features (applicant, feature) float64 in the order of `FEATURES`, default (1) or not (0), and region."""
    chance = np.random.default_rng(seed)
    age = np.clip(chance.gamma(9.0, 4.6, count), 18, 80).round()
    employed = np.clip(chance.exponential(6.0, count), 0, age - 17).round(1)
    income = np.exp(3.4 + 0.006 * (age - 40) + 0.03 * employed + chance.normal(0, 0.42, count)).round(1)
    amount = np.clip(income * chance.lognormal(-1.1, 0.7, count), 0.5, 80).round(1)
    term = chance.choice([12, 24, 36, 48, 60], count, p=[0.1, 0.2, 0.35, 0.15, 0.2]).astype(float)
    share = (amount / term / (income / 12)).round(4)
    used = np.clip(chance.beta(1.6, 2.6, count) + 0.1 * (share > 0.15), 0, 1).round(3)
    late = chance.poisson(np.clip(0.25 + 0.9 * used**2, 0, None)).astype(float)
    enquiries = chance.poisson(0.8 + 0.5 * (used > 0.7)).astype(float)
    on_file = np.clip((age - 20) * chance.uniform(2, 11, count), 0, 480).round()
    region = chance.choice(REGIONS, count, p=[0.3, 0.3, 0.25, 0.15])
    risk = (
        _BASE_RISK
        + 0.35 * late
        + 0.2 * enquiries
        + 2.4 * used**4
        + 1.5 * np.exp(-on_file / 24)  # a thin file
        + 1.6 * ((late > 0) & (share > 0.12))  # one trouble alone is borne, both are not
        + 1.1 * ((used > 0.6) & (employed < 2))
        + 0.0008 * (age - 45) ** 2
        - 0.04 * np.clip(employed, 0, 8)
        + 0.15 * (region == "south")
    )
    defaulted = (chance.random(count) < 1 / (1 + np.exp(-risk))).astype(np.int64)
    table = np.stack([age, income, amount, term, share, used, employed, late, enquiries, on_file], axis=1)
    return table, defaulted, region


def write_csv(path: Path, count: int, seed: int) -> None:
    """Write applicants as a table: the features, `y` and `region`."""
    table, defaulted, region = applicants(count, seed)
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow([*FEATURES, "y", "region"])
        for row, label, place in zip(table.tolist(), defaulted.tolist(), region.tolist(), strict=True):
            writer.writerow([*row, label, place])

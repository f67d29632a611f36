"""The tables. States and moves are in `core.states`; queries live beside this folder, by noun."""

from db.models import console, counted, handed_in, money, outputs, producers, under_way, verdicts, work
from db.models.schema import Base

__all__ = ["Base", "console", "counted", "handed_in", "money", "outputs", "producers", "under_way", "verdicts", "work"]

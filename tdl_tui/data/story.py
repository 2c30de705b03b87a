"""A text to begin with, made by a small grammar: words to spell, sentences to close, sums to get right. No torch."""

from __future__ import annotations

from functools import cache
from random import Random

LETTERS = 50_000
NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
ANIMALS = ("fox", "hare", "owl", "badger", "otter", "heron", "mouse", "raven", "toad", "wren")
THINGS = ("lantern", "kettle", "letter", "basket", "feather", "button", "acorn", "ladder", "ribbon", "whistle")
PLACES = ("river", "mill", "gate", "well", "hedge", "bridge", "barn", "orchard")
MANNERS = ("slowly", "gladly", "at dawn", "all day", "without a word", "once more")
GIVING = ("gave", "sold", "lent", "showed", "brought")
MOVING = ("waited", "sang", "slept", "listened", "worked", "danced")


@cache
def story() -> str:
    """About LETTERS characters, the same on every machine."""
    random = Random(0)

    def pick(words: tuple[str, ...]) -> str:
        return words[int(random.random() * len(words))]  # random() alone is promised to stay the same

    def sentence() -> str:
        animal, thing = pick(ANIMALS), pick(THINGS)
        other = pick(tuple(name for name in ANIMALS if name != animal))
        match int(random.random() * 5):
            case 0:
                return f"the {animal} {pick(MOVING)} by the {pick(PLACES)} {pick(MANNERS)}."
            case 1:
                return f"the {animal} {pick(GIVING)} the {other} a {thing}, and the {other} thanked the {animal}."
            case 2:
                first, second = int(random.random() * 7), int(random.random() * 6)
                return f"{NUMBERS[first]} and {NUMBERS[second]} make {NUMBERS[first + second]}."
            case 3:
                place = f"by the {pick(PLACES)}"
                return f'"Where is my {thing}?" said the {animal}. "Your {thing} is {place}," said the {other}.'
            case _:
                return f"if the {animal} has the {thing}, then the {other} has not."

    lines: list[str] = []
    length = 0
    while length < LETTERS:
        count = 2 + int(random.random() * 3)
        lines.append(" ".join(text[0].upper() + text[1:] for text in (sentence() for _ in range(count))))
        length += len(lines[-1]) + 1
    return "\n".join(lines) + "\n"

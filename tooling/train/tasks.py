#!/usr/bin/env python3
"""Seeded synthetic tasks.

Every generator returns a list of (text, weight) segments, where the weight is that of the text in
the loss: 0 for values when they are first stated (nobody can predict them), 1 for ordinary text,
2 for chat answers and copies, 3 for answers. The formats are fixed and listed in MODEL_CARD.md.

The order of the draws is part of the recipe: the same seed gives the same texts.
"""

import json
import random
from random import Random

Segment = tuple[str, int]
Needle = list[Segment]
QuestionAnswer = tuple[str, str]

UNPREDICTABLE, ORDINARY, CHAT, ANSWER = 0, 1, 2, 3
END_OF_TEXT: Segment = ("<|endoftext|>", ORDINARY)

NAMES = """Tom Lily Ben Anna Max Rosie Jack Lucy Sam Nora Oscar Daisy Leo Emma Finn Clara
    Hugo Alice Peter Ruby Felix Molly George Ivy Harry Sophie Otto Grace Will Hazel""".split()
PLACES = """York Paris London Rome Bath Dover Lima Oslo Cairo Delhi Berlin Madrid Boston
    Dublin Venice Vienna""".split()
COLORS = "red blue green yellow white black brown grey pink purple golden silver".split()
ANIMALS = """fox bear rabbit mouse bird frog cat dog pig horse owl duck hen goat lion
    wolf fish sheep squirrel hedgehog""".split()
ITEMS = """apple ball book cake lamp kite hat coat boat drum ring key cup bell basket
    stone flower feather shoe spoon""".split()
JOBS = "baker farmer sailor teacher miller tailor painter doctor singer gardener".split()
KEYS = """river stone forest garden castle window candle silver golden winter summer
    morning evening kitchen mountain valley island harbour bridge market letter mirror
    ribbon feather basket hammer needle button blanket pillow lantern ladder barrel wagon
    saddle bucket kettle teapot saucer pepper butter cheese honey apple cherry lemon
    orange walnut acorn maple willow cedar clover daisy tulip violet rose lily poppy fern
    moss eagle falcon sparrow robin raven swan goose duck turkey rabbit badger otter
    beaver hedgehog squirrel spider beetle butterfly salmon trout whale turtle dragon
    giant fairy wizard princess soldier sailor captain pirate farmer miller baker tailor
    painter doctor teacher shepherd hunter fisher king queen prince knight thunder
    rainbow shadow sunset storm cloud meadow field tower temple chapel school station
    corner cottage cellar attic""".split()
ADJECTIVES = """amber coral ivory jade pearl ruby scarlet crimson copper iron marble
    velvet cotton linen paper crystal purple yellow green brown""".split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
MONTHS = """January February March April May June July August September October November
    December""".split()
STORY_PLACES = [
    "forest", "garden", "village", "valley", "old barn", "little house", "river", "hill", "meadow",
    "market",
]  # fmt: skip
FACTS = [
    ("What color is the sky?", "The sky is blue."),
    ("What color is grass?", "Grass is green."),
    ("What color is snow?", "Snow is white."),
    ("How many legs does a dog have?", "A dog has four legs."),
    ("How many legs does a bird have?", "A bird has two legs."),
    ("How many legs does a spider have?", "A spider has eight legs."),
    ("What do bees make?", "Bees make honey."),
    ("What do cows give?", "Cows give milk."),
    ("What does a hen lay?", "A hen lays eggs."),
    ("How many days are in a week?", "There are seven days in a week."),
    ("How many months are in a year?", "There are twelve months in a year."),
    ("What is the opposite of hot?", "The opposite of hot is cold."),
    ("What is the opposite of big?", "The opposite of big is small."),
    ("What is the opposite of day?", "The opposite of day is night."),
    ("Who are you?", "I am Frugal Tiny, a very small language model."),
    ("What is your name?", "My name is Frugal Tiny."),
    ("What can you do?", "I can tell short stories, find words in a text and write JSON."),
    ("Where do fish live?", "Fish live in water."),
    ("When does the sun rise?", "The sun rises in the morning."),
    ("What falls from clouds?", "Rain falls from clouds."),
]


def number(rng: Random, digits: int | None = None) -> str:
    """Draw a number without a leading zero."""
    digits = digits or rng.choice([2, 3, 4, 4, 5, 5])
    first = str(rng.randint(1, 9))
    return first + "".join(str(rng.randint(0, 9)) for _ in range(digits - 1))


def key(rng: Random) -> str:
    """Draw a noun, sometimes with an adjective."""
    if rng.random() < 0.7:
        return rng.choice(KEYS)
    return rng.choice(ADJECTIVES) + " " + rng.choice(KEYS)


def keys(rng: Random, count: int) -> list[str]:
    """Draw distinct keys."""
    out: list[str] = []
    while len(out) < count:
        candidate = key(rng)
        if candidate not in out:
            out.append(candidate)
    return out


# Long-context tasks: needles hidden in a passage of prose, then questions.


def needles_passkey(rng: Random) -> tuple[list[Needle], list[QuestionAnswer]]:
    """Hide one five-digit passkey."""
    value = number(rng, 5)
    needle = [
        ("The passkey is ", ORDINARY),
        (value, UNPREDICTABLE),
        (". Remember it.", ORDINARY),
    ]
    return [needle], [("What is the passkey?", value)]


def needles_kv(rng: Random, count: int) -> tuple[list[Needle], list[QuestionAnswer]]:
    """Hide secret numbers and words of different things."""
    needles: list[Needle] = []
    questions: list[QuestionAnswer] = []
    for name in keys(rng, count):
        kind = "number" if rng.random() < 0.5 else "word"
        value = number(rng, rng.choice([3, 4])) if kind == "number" else key(rng)
        statement = f"The secret {kind} of the {name} is "
        needles.append([(statement, ORDINARY), (value, UNPREDICTABLE), (".", ORDINARY)])
        questions.append((f"What is the secret {kind} of the {name}?", value))
    rng.shuffle(questions)
    return needles, questions


def path_needle(start: str, end: str) -> Needle:
    """State one step of a path."""
    return [(f"From the {start} go to the ", ORDINARY), (end, UNPREDICTABLE), (".", ORDINARY)]


def needles_thread(rng: Random, count: int) -> tuple[list[Needle], list[QuestionAnswer]]:
    """Hide that many facts, forming paths of two to five places each."""
    places = keys(rng, count + 2)
    needles: list[Needle] = []
    paths: list[list[str]] = []
    at = 0
    while at + 1 < len(places) and len(needles) < count:
        size = min(rng.randint(2, 5), len(places) - at, count - len(needles) + 1)
        path = places[at : at + size]
        at += size
        if len(path) < 2:
            break
        paths.append(path)
        needles += [path_needle(start, end) for start, end in zip(path, path[1:])]
    questions: list[QuestionAnswer] = []
    for path in paths:
        for _ in range(2):
            start = rng.randint(0, len(path) - 2)
            steps = rng.randint(1, len(path) - 1 - start)
            plural = "" if steps == 1 else "s"
            question = f"Start at the {path[start]}. Where are you after {steps} step{plural}?"
            questions.append((question, " -> ".join(path[start : start + steps + 1])))
    rng.shuffle(needles)
    rng.shuffle(questions)
    return needles, questions


def join_questions(
    text: list[Segment],
    questions: list[QuestionAnswer],
    chat: bool,
    intro: str = "Text: ",
    answer_start: str = "It is ",
) -> list[Segment]:
    """Put a text and its questions together, in the plain or in the chat form."""
    out: list[Segment] = []
    if chat:
        out += [("<|user|>" + intro, ORDINARY), *text]
        for i, (question, answer) in enumerate(questions):
            lead = "\n\n" if i == 0 else "<|user|>"
            out.append((lead + question + "<|end|><|assistant|>", ORDINARY))
            out.append((answer_start + answer + "<|end|>", ANSWER))
    else:
        out += [(intro, ORDINARY), *text, ("\n\n", ORDINARY)]
        for question, answer in questions:
            out.append(("Question: " + question + "\nAnswer:", ORDINARY))
            out.append((" " + answer + "\n", ANSWER))
    return [*out, END_OF_TEXT]


def in_passage(
    rng: Random,
    sentences: list[str],
    needles: list[Needle],
    questions: list[QuestionAnswer],
    chat: bool,
) -> list[Segment]:
    """Insert the needles at uniformly drawn places between the sentences, then ask."""
    at: dict[int, list[Needle]] = {}
    for needle in needles:
        at.setdefault(rng.randint(0, len(sentences)), []).append(needle)
    text: list[Segment] = []
    for i in range(len(sentences) + 1):
        for needle in at.get(i, []):
            if text:
                text.append((" ", ORDINARY))
            text += needle
        if i < len(sentences):
            text.append(((" " if text else "") + sentences[i], ORDINARY))
    # Pieces have the weight of their first character, so a value keeps weight 0 after its space.
    return join_questions([(part, weight) for part, weight in text if part], questions, chat)


def quote(rng: Random, sentences: list[str], chat: bool, common: set[str]) -> list[Segment] | None:
    """Ask for the sentence that holds a word which occurs once in the passage, up to twice."""
    where: dict[str, list[tuple[int, str]]] = {}
    for i, sentence in enumerate(sentences):
        # Distinct words in the order of the text: a set of strings has no order to rely on.
        for word in dict.fromkeys(x.strip(".,;:!?\"'()-") for x in sentence.split()):
            if len(word) > 3 and word.isalpha():
                where.setdefault(word.lower(), []).append((i, word))
    candidates = [
        places[0]
        for word, places in where.items()
        if len(places) == 1 and word not in common and 20 < len(sentences[places[0][0]]) < 200
    ]
    if not candidates:
        return None
    rng.shuffle(candidates)
    questions: list[QuestionAnswer] = []
    used: set[int] = set()
    for i, word in candidates:
        if i in used:
            continue
        used.add(i)
        questions.append((f"Quote the sentence about {word}.", sentences[i]))
        if len(questions) == 2:
            break
    passage = [(" ".join(sentences), ORDINARY)]
    return join_questions(passage, questions, chat, answer_start="It says: ")


# Short tasks.


def table(rng: Random, chat: bool, rows: int | None = None) -> list[Segment]:
    """Ask for values of a table of names and values."""
    rows = rows or rng.randint(3, 14)
    names = keys(rng, rows)
    numeric = rng.random() < 0.5
    lines: list[Segment] = []
    questions: list[QuestionAnswer] = []
    for name in names:
        value = number(rng, rng.choice([2, 3])) if numeric else key(rng)
        lines += [(f"\n- {name}: ", ORDINARY), (value, UNPREDICTABLE)]
        questions.append((f"What is {name}?", value))
    rng.shuffle(questions)
    return join_questions(lines, questions[: rng.randint(1, 5)], chat, "Table:")


def copy(rng: Random, chat: bool, count: int | None = None) -> list[Segment]:
    """Repeat a list of words."""
    count = count or rng.randint(3, 40)
    words = " ".join(
        rng.choice(KEYS) if rng.random() < 0.8 else rng.choice(NAMES) for _ in range(count)
    )
    if chat:
        return [
            ("<|user|>Repeat: ", ORDINARY),
            (words, UNPREDICTABLE),
            ("<|end|><|assistant|>", ORDINARY),
            (words + "<|end|>", CHAT),
            END_OF_TEXT,
        ]
    return [
        ("Copy: ", ORDINARY),
        (words + "\n", UNPREDICTABLE),
        ("Copy:", ORDINARY),
        (" " + words + "\n", CHAT),
        END_OF_TEXT,
    ]


Field = tuple[str, str | int | bool]


def record(rng: Random) -> list[Field]:
    """Draw two to six fields of an invented person."""
    fields: list[Field] = [
        ("name", rng.choice(NAMES)),
        ("age", rng.randint(3, 90)),
        ("city", rng.choice(PLACES)),
        ("color", rng.choice(COLORS)),
        ("pet", rng.choice(ANIMALS)),
        ("job", rng.choice(JOBS)),
        ("item", rng.choice(ITEMS)),
        ("count", rng.randint(1, 99)),
        ("price", rng.randint(1, 999)),
        ("happy", rng.random() < 0.5),
    ]
    return rng.sample(fields, rng.randint(2, 6))


def plain(value: str | int | bool) -> str:
    """Write a value as a person would."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def to_json(rng: Random, chat: bool) -> list[Segment]:
    """Turn a record into JSON."""
    fields = record(rng)
    if rng.random() < 0.6:
        source = "Record:\n" + "\n".join(f"{name}: {plain(value)}" for name, value in fields)
    else:
        rng.shuffle(list(fields))  # unused, but the draws belong to the recipe
        source = "Record: " + "; ".join(f"{name} is {plain(value)}" for name, value in fields) + "."
    answer = json.dumps(dict(fields))
    if chat:
        question = "<|user|>" + source + "\nWrite it as JSON.<|end|><|assistant|>"
        return [(question, ORDINARY), (answer + "<|end|>", ANSWER), END_OF_TEXT]
    return [(source + "\nJSON:", ORDINARY), (" " + answer + "\n", ANSWER), END_OF_TEXT]


def other_value(rng: Random, name: str, fields: dict[str, str | int | bool]) -> str | int | bool:
    """Draw a new value for a field."""
    drawn = dict(record(rng)).get(name)
    if drawn is not None:
        return drawn
    if name in ("age", "count", "price", "happy"):
        # All three are drawn, whichever is used: the draws belong to the recipe.
        age, count, price = rng.randint(3, 90), rng.randint(1, 99), rng.randint(1, 999)
        happy = not fields.get("happy", False)
        return {"age": age, "count": count, "price": price, "happy": happy}[name]
    words = {
        "name": NAMES, "city": PLACES, "color": COLORS, "pet": ANIMALS, "job": JOBS, "item": ITEMS,
    }  # fmt: skip
    return rng.choice(words[name])


def edit_json(rng: Random, chat: bool) -> list[Segment]:
    """Apply one edit to a JSON object."""
    before = dict(record(rng))
    after = dict(before)
    other = dict(record(rng))
    kind = rng.random()
    new_names = [name for name in other if name not in before]
    if kind < 0.55:
        name = rng.choice(list(before))
        after[name] = other_value(rng, name, before)
        edit = f"Set {name} to {json.dumps(after[name])}."
    elif kind < 0.75 and len(before) > 2:
        name = rng.choice(list(before))
        del after[name]
        edit = f"Remove {name}."
    elif kind < 0.9 and new_names:
        name = new_names[0]
        after[name] = other[name]
        edit = f"Add {name} with value {json.dumps(other[name])}."
    else:
        edit = "Change nothing."
    source, answer = json.dumps(before), json.dumps(after)
    if chat:
        question = "<|user|>JSON: " + source + "\n" + edit + "<|end|><|assistant|>"
        return [(question, ORDINARY), (answer + "<|end|>", ANSWER), END_OF_TEXT]
    question = "JSON: " + source + "\nEdit: " + edit + "\nJSON:"
    return [(question, ORDINARY), (" " + answer + "\n", ANSWER), END_OF_TEXT]


class Story:
    """A short story from templates, and what can be asked about it."""

    def __init__(self, rng: Random, animal: str | None = None, name: str | None = None) -> None:
        self.hero, self.friend = rng.sample(NAMES, 2)
        self.hero = name or self.hero
        self.animal, self.friend_animal = rng.sample(ANIMALS, 2)
        self.animal = animal or self.animal
        if self.friend == self.hero:
            self.friend = "Flora"
        self.color, self.item = rng.choice(COLORS), rng.choice(ITEMS)
        self.place = rng.choice(STORY_PLACES)
        self.feeling = rng.choice(["sad", "hungry", "tired", "cold", "lost", "lonely"])
        self.weather = rng.choice(["sunny", "rainy", "windy", "snowy", "warm", "foggy"])
        opening = [rng.choice(choices) for choices in self.openings()]
        middle = rng.choice(self.middles())
        ending = [rng.choice(choices) for choices in self.endings()]
        self.text = " ".join(opening + middle + ending)

    def openings(self) -> list[list[str]]:
        """List the choices for each of the first five sentences."""
        n, a, m, b = self.hero, self.animal, self.friend, self.friend_animal
        thing, place, weather = f"{self.color} {self.item}", self.place, self.weather
        an = "an" if a[0] in "aeiou" else "a"
        return [
            [
                f"Once upon a time there was {an} {a} named {n}.",
                f"There once lived {an} {a} whose name was {n}.",
                f"Long ago there was a little {a} called {n}.",
            ],
            [
                f"{n} lived near the {place}.",
                f"{n} had a home by the {place}.",
                f"Every day {n} walked to the {place}.",
            ],
            [
                f"{n} had a {thing} and loved it very much.",
                f"The thing {n} loved most was a {thing}.",
                f"{n} always carried a {thing}.",
            ],
            [
                f"One {weather} morning {n} met a {b} named {m}.",
                f"One {weather} day a {b} named {m} came to the {place}.",
            ],
            [
                f"{m} was very {self.feeling}.",
                f'"I am so {self.feeling}," said {m}.',
                f"{m} sat down and cried, for {m} was {self.feeling}.",
            ],
        ]

    def middles(self) -> list[list[str]]:
        """List the plots."""
        n, m, item, place = self.hero, self.friend, self.item, self.place
        thing = f"{self.color} {item}"
        mishap = f"The {thing} fell and broke."
        if place in ("river", "garden", "meadow", "forest"):
            mishap = f"A big {self.weather} wind blew the {thing} into the {place}."
        return [
            [
                f'"Do not worry," said {n}. "You may have my {thing}."',
                f"So {n} gave the {thing} to {m}.",
                f"{m} smiled and thanked {n}.",
            ],
            [
                f"Then {n} saw that the {thing} was gone.",
                f'"Have you seen my {item}?" asked {n}.',
                f'"Yes," said {m}. "It is by the {place}."',
                f"So {n} and {m} went to the {place} and found the {thing}.",
            ],
            [
                f'"Come and play with me," said {n}.',
                f"{n} and {m} played with the {thing} until the sun went down.",
                f"Then {m} was not {self.feeling} any more.",
            ],
            [
                mishap,
                f'"Oh no!" cried {n}. "My {item}!"',
                f'But {m} said, "I will help you."',
                f"Soon the {thing} was safe again.",
            ],
        ]

    def endings(self) -> list[list[str]]:
        """List the choices for each of the last two sentences."""
        n, m = self.hero, self.friend
        return [
            [
                f"From that day on {n} and {m} were friends.",
                f"After that {n} and {m} met at the {self.place} every day.",
                f"{n} and {m} went home together, and they were happy.",
            ],
            [
                "The end.",
                f"And that is the story of {n} the {self.animal}.",
                "They lived happily ever after.",
            ],
        ]

    def questions(self) -> list[QuestionAnswer]:
        """List what can be asked."""
        return [
            (f"Who had the {self.item}?", self.hero),
            (f"What color was the {self.item}?", self.color),
            (f"What was the name of the {self.friend_animal}?", self.friend),
            (f"What kind of animal was {self.hero}?", self.animal),
        ]


def story(rng: Random) -> list[Segment]:
    """Tell a story and, every other time, ask two questions about it."""
    told = Story(rng)
    out: list[Segment] = [("Story: " + told.text, ORDINARY)]
    if rng.random() < 0.5:
        out.append(("\n\n", ORDINARY))
        for question, answer in rng.sample(told.questions(), 2):
            out.append(("Question: " + question + "\nAnswer:", ORDINARY))
            out.append((" " + answer + "\n", ANSWER))
    return [*out, END_OF_TEXT]


# Chat.


def sum_turn(rng: Random) -> QuestionAnswer:
    """Ask for a sum or a difference."""
    a, b = rng.randint(0, 12), rng.randint(0, 12)
    if rng.random() < 0.6:
        return f"What is {a} plus {b}?", f"{a} plus {b} is {a + b}."
    a, b = max(a, b), min(a, b)
    return f"What is {a} minus {b}?", f"{a} minus {b} is {a - b}."


def successor_turn(rng: Random) -> QuestionAnswer:
    """Ask for the next day or month."""
    names = DAYS if rng.random() < 0.5 else MONTHS
    i = rng.randrange(len(names))
    return f"What comes after {names[i]}?", f"{names[(i + 1) % len(names)]} comes after {names[i]}."


def remember_turn(rng: Random, memory: dict[str, str]) -> QuestionAnswer:
    """Tell something about oneself, to be asked about later."""
    topic = rng.choice(["name", "favorite color", "pet", "city"])
    words = {"name": NAMES, "favorite color": COLORS, "pet": ANIMALS, "city": PLACES}
    value = rng.choice(words[topic])
    memory[topic] = value
    stated = value
    if topic == "pet":
        stated = ("an " if value[0] in "aeiou" else "a ") + value
    answer = f"I will remember that your {topic} is {value}."
    if topic == "name":
        answer = f"Nice to meet you, {value}."
    return f"My {topic} is {stated}.", answer


def turn(rng: Random, memory: dict[str, str]) -> QuestionAnswer:
    """Draw one turn of a conversation that remembers what was told."""
    kind = rng.randint(0, 11)
    if kind == 0:
        greeting = rng.choice(["Hello!", "Hi!", "Good morning!", "Hello there."])
        return greeting, "Hello! How can I help you?"
    if kind == 1:
        return sum_turn(rng)
    if kind == 2:
        word = key(rng)
        return f"Say {word}.", word
    if kind == 3:
        word = rng.choice(ITEMS + ANIMALS)
        return f"Spell {word}.", "-".join(word)
    if kind == 4:
        start = rng.randint(1, 12)
        end = start + rng.randint(2, 8)
        return f"Count from {start} to {end}.", ", ".join(map(str, range(start, end + 1)))
    if kind == 5:
        return successor_turn(rng)
    if kind in (6, 7):
        return rng.choice(FACTS)
    if kind == 8:
        words = keys(rng, rng.randint(3, 5))
        request = f"Make a list of {', '.join(words[:-1])} and {words[-1]}."
        return request, "\n".join("- " + word for word in words)
    if kind == 9:
        animal, name = rng.choice(ANIMALS), rng.choice(NAMES)
        return f"Tell me a short story about a {animal} named {name}.", Story(
            rng, animal, name
        ).text
    if kind == 10:
        return remember_turn(rng, memory)
    if memory:
        topic = rng.choice(list(memory))
        return f"What is my {topic}?", f"Your {topic} is {memory[topic]}."
    return "Thank you!", "You are welcome."


def chat(rng: Random, turns: int | None = None) -> list[Segment]:
    """Draw a conversation."""
    out: list[Segment] = []
    memory: dict[str, str] = {}
    for _ in range(turns or rng.randint(1, 6)):
        question, answer = turn(rng, memory)
        out.append(("<|user|>" + question + "<|end|><|assistant|>", ORDINARY))
        out.append((answer + "<|end|>", CHAT))
    return [*out, END_OF_TEXT]


def short(rng: Random) -> list[Segment]:
    """Draw one of the short tasks."""
    x = rng.random()
    in_chat = rng.random() < 0.3
    if x < 0.22:
        return table(rng, in_chat)
    if x < 0.38:
        return copy(rng, in_chat)
    if x < 0.52:
        return to_json(rng, in_chat)
    if x < 0.66:
        return edit_json(rng, in_chat)
    if x < 0.84:
        return story(rng)
    return chat(rng)


def sample_text(rng: Random) -> str:
    """Draw a short task as text for the tokenizer's training: turns become lines."""
    text = "".join(part for part, _ in short(rng)).replace("<|endoftext|>", "")
    return text.replace("<|user|>", "\n").replace("<|end|>", "\n").replace("<|assistant|>", "")


def main() -> None:
    """Print examples, with unpredictable text in double brackets."""
    rng = random.Random(1)
    for _ in range(25):
        print("".join(text if weight else f"[[{text}]]" for text, weight in short(rng)))
        print("-----")


if __name__ == "__main__":
    main()

"""The fields of the form that are no hyperparameters: what is typed becomes parts of the body, and back. Pure."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.web.pages.new_sweep.space_text import parse_scalar

Texts = Mapping[str, str]

OBJECTIVE_FIELDS = ("objective", "objective_2", "objective_3")
STOP_FIELDS = {f"stop_{rule}": rule for rule in ("seconds", "target", "no_improvement", "failures")}


class FieldTextError(ValueError):
    """A text that can't be read; `field` is where it was typed."""

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(sentence)
        self.field = field


@dataclass(frozen=True)
class Part:
    """Fields of the form that make up one part of the body together."""

    fields: Sequence[str]
    """Those of the form."""
    keys: Sequence[str]
    """Those of the body."""
    read: Callable[[Texts], dict[str, Any]]
    """The part of the body for what was typed, of which there is something. Raises FieldTextError."""
    write: Callable[[Any], dict[str, str]]
    """What to type for a value of any of the keys. Raises TypeError or KeyError where it can't be typed."""


def parse_json(text: str) -> Any:
    """Raises ValueError for what is no JSON, also for NaN and for what is nested too deeply."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _plain(name: str, parse: Callable[[str], Any] = str, write: Callable[[Any], str] = str) -> Part:
    """A field that is called as its key in the body."""
    return Part((name,), (name,), lambda texts: {name: parse(texts[name])}, lambda value: {name: write(value)})


def _options(name: str, hint: str) -> Part:
    """A name, or the JSON of a name with options."""

    def parse(text: str) -> Any:
        try:
            return parse_json(text) if text.startswith("{") else text
        except ValueError:
            raise FieldTextError(name, f"is no JSON; {hint} will do") from None

    def write(value: Any) -> str:
        if not isinstance(value, Mapping):
            return str(value)
        return str(value["name"]) if value.keys() == {"name"} else json.dumps({"name": value["name"], **value})

    return _plain(name, parse, write)


def _list(
    separator: str, joint: str, parse: Callable[[str], Any] = str
) -> tuple[Callable[..., Any], Callable[..., str]]:
    """How a list is read from its items between separators, and how it is written."""

    def read(text: str) -> list[Any]:
        return [parse(item.strip()) for item in text.split(separator) if item.strip()]

    def write(items: Any) -> str:
        if not isinstance(items, list):
            raise TypeError("no list")
        return joint.join(map(str, items))

    return read, write


def _truth_text(value: Any) -> str:
    return str(value).lower()


_read_sweeps, _write_sweeps = _list(",", ", ", parse_scalar)


def _read_seeds(texts: Texts) -> dict[str, Any]:
    numbers = {"first": "seeds", "survivors": "survivors"}
    posted = {key: parse_scalar(texts[field]) for key, field in numbers.items() if field in texts}
    return {"seeds": posted if "survivors" in posted else posted["first"]}


def _write_seeds(value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping):
        return {"seeds": str(value)}
    return {"seeds": str(value["first"]), "survivors": str(value["survivors"])}


def _read_stop(texts: Texts) -> dict[str, Any]:
    return {"stop": {rule: parse_scalar(texts[field]) for field, rule in STOP_FIELDS.items() if field in texts}}


def _write_stop(value: Any) -> dict[str, str]:
    return {field: str(value[rule]) for field, rule in STOP_FIELDS.items() if rule in value}


def _read_warm_start(texts: Texts) -> dict[str, Any]:
    sweeps = _read_sweeps(texts.get("warm_start", ""))
    if "warm_start_trials" not in texts:
        return {"warm_start": sweeps}
    return {"warm_start": {"sweeps": sweeps, "trials": parse_scalar(texts["warm_start_trials"])}}


def _write_warm_start(value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping):
        return {"warm_start": _write_sweeps(value)}
    return {"warm_start": _write_sweeps(value["sweeps"]), "warm_start_trials": str(value["trials"])}


def _read_objectives(texts: Texts) -> dict[str, Any]:
    pairs = [texts[field].partition(" ") for field in OBJECTIVE_FIELDS if field in texts]
    objectives = [{"metric": metric, "direction": direction} for direction, _, metric in pairs]
    return {"objective": objectives[0]} if len(objectives) == 1 else {"objectives": objectives}


def _write_objectives(value: Any) -> dict[str, str]:
    objectives = value if isinstance(value, list) else [value]
    pairs = zip(OBJECTIVE_FIELDS, objectives, strict=False)
    return {field: f"{objective['direction']} {objective['metric']}" for field, objective in pairs}


def _lines(text: str) -> str:
    """As it was typed: a browser sends every line's end as two characters."""
    return text.replace("\r\n", "\n")


_PARTS = (
    _plain("name"),
    _plain("task"),
    _plain("dataset"),
    _plain("split"),
    _options("sampler", "a name such as tpe"),
    _plain("n_trials", parse_scalar),
    Part(("seeds", "survivors"), ("seeds",), _read_seeds, _write_seeds),
    _options("pruner", "a name such as median"),
    Part(OBJECTIVE_FIELDS, ("objective", "objectives"), _read_objectives, _write_objectives),
    _plain("best_by"),
    Part(tuple(STOP_FIELDS), ("stop",), _read_stop, _write_stop),
    Part(("warm_start", "warm_start_trials"), ("warm_start",), _read_warm_start, _write_warm_start),
    _plain("repeats"),
    _plain("seed", parse_scalar),
    _plain("diagnostics", parse_scalar, _truth_text),
    _plain("keep_models"),
    _plain("priority", parse_scalar),
    # not called as in the body: so is a hyperparameter of what is timed
    Part(
        ("worker_device",),
        ("device",),
        lambda texts: {"device": texts["worker_device"]},
        lambda value: {"worker_device": str(value)},
    ),
    _plain("tags", *_list(",", ", ")),
    _plain("notes", _lines),
    _plain("constraints", *_list("\n", "\n")),
)

MULTI_LINE = ("notes", "constraints")
SETTINGS = tuple(field for part in _PARTS for field in part.fields)


def read_parts(texts: Texts) -> Iterator[tuple[dict[str, Any], FieldTextError | None]]:
    """The parts of the body that were typed, each with what is wrong with it."""
    for part in _PARTS:
        typed = {field: texts[field] for field in part.fields if field in texts}
        if not typed:
            continue
        try:
            yield part.read(typed), None
        except FieldTextError as error:
            yield {}, error


def typed_part(key: str, value: Any) -> dict[str, str] | None:
    """What to type for this part of the body; None where the form has no field for it, or can't express it."""
    part = next((part for part in _PARTS if key in part.keys), None)
    if part is None:
        return None
    try:
        texts = part.write(value)
        typed = {field: text.strip() for field, text in texts.items() if text.strip()}
        read = part.read(typed) if typed and typed == texts else {}
    except (TypeError, KeyError, AttributeError, FieldTextError):
        return None
    if any("\r" in text or ("\n" in text and field not in MULTI_LINE) for field, text in texts.items()):
        return None  # a field of one line drops it
    return texts if _same(read, {key: value}) or _same(read, {key: _named(value)}) else None


def field_of(loc: Sequence[str | int]) -> tuple[str, int]:
    """The field of the form where this path in the body is typed, and how much of the path says so."""
    match loc:
        case ["stop", str(rule), *_] if f"stop_{rule}" in STOP_FIELDS:
            return f"stop_{rule}", 2
        case ["seeds", "first" | "survivors" as key, *_]:
            return "seeds" if key == "first" else key, 2
        case ["warm_start", "sweeps", *_]:
            return "warm_start", 2
        case ["warm_start", "trials", *_]:
            return "warm_start_trials", 2
        case ["device", *_]:
            return "worker_device", 1
        case ["objectives", int(place), *_] if place < len(OBJECTIVE_FIELDS):
            return OBJECTIVE_FIELDS[place], 2
        case ["objectives", *_]:
            return OBJECTIVE_FIELDS[0], 1
    return str(loc[0]), 1


def _named(value: Any) -> Any:
    """Options that are only a name, as that name."""
    return value["name"] if isinstance(value, Mapping) and value.keys() == {"name"} else value


def _same(first: Any, second: Any) -> bool:
    """Whether both are the same JSON, 1 and 1.0 and true being different."""
    return json.dumps(first, sort_keys=True) == json.dumps(second, sort_keys=True)

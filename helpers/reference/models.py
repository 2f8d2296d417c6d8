"""Models of what tables, figures and exports are: what an entry may hold, what each key means."""

from __future__ import annotations

import functools
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from helpers.core.names import Names

Kind = Literal[
    "id",
    "text",
    "choice",
    "flag",
    "datetime",
    "users",
    "times",
    "count",
    "money",
    "rate",
    "ratio",
    "seconds",
    "score",
]
M = TypeVar("M", bound=BaseModel)
Many = Annotated[list[str], BeforeValidator(lambda v: [v] if isinstance(v, str) else v)]


class ReferenceDataError(ValueError):
    """A file of `data/reference` that does not fit its model; names file, key and fault."""


class Entry(BaseModel):
    """What all models share: unknown keys are refused, and nothing changes once it is loaded."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Label(Entry):
    """One name in both languages; models of what has a name add to it."""

    zh: str
    en: str


class Column(Label):
    """One column of a canonical table.

    `below_zero`: its values may be negative; `least`: below it a number without a unit is doubtful;
    `usual`: a column of numbers without a unit is, where all of them are below it;
    `per_hour`: the most that an hour of a session can bring; `adds`: the values of rows add up to
    that of a total, where the kind does not say so; `ahead`: a time that may lie ahead of now.
    """

    kind: Kind
    required: bool = False
    terms: str | None = None
    line: Literal["created", "paid", "net", "refund", "cost", "price"] | None = None
    below_zero: bool = False
    least: float = 0
    usual: float = 0
    per_hour: float | None = None
    adds: bool = False
    ahead: bool = False

    @property
    def is_sum(self) -> bool:
        """Whether a total row holds the sum of the rows: of events, pieces and money it does."""
        return self.adds or (self.kind in ("times", "count", "money") and self.line != "price")


class Table(Label):
    """One canonical table: grain, key, how a row finds its session, columns.

    `never_above` says which column can never exceed which others in the same row, `never_without`
    which cannot be above 0 where another is 0 (orders with nobody online); with `repeats` equal
    rows of one file are all rows. `needs` are the columns without which its money cannot be told,
    each with the column beside which a row must have it (None: none). `shared`: columns that a row
    of several lines may state once for all of them; a table without any is never split into lines.
    `completes` completes the key where rows of one sheet share it. `steps`: the time of which each
    row has what was added, no running total. `divided_by`: the column by whose values people are
    divided, which shares of people are, too.
    """

    grain: str
    key: list[str]
    attribute: str
    columns: Annotated[dict[str, Column], AfterValidator(functools.partial(Names, "column"))]
    description: Label
    never_above: dict[str, Many] = {}
    never_without: dict[str, Many] = {}
    needs: dict[str, str | None] = {}
    repeats: bool = False
    steps: str | None = None
    divided_by: str | None = None
    shared: list[str] = []
    completes: list[str] = []


Group = Literal[
    "traffic",
    "fans",
    "interaction",
    "click",
    "conversion",
    "sales",
    "aftersales",
    "customers",
    "profit",
]
Unit = Literal["users", "times", "count", "money", "percent", "ratio", "seconds", "score"]
ROWS = "rows"  # the term of a metric that counts the rows of its table


class Metric(Label):
    """One metric of the registry: sum(numerator) / sum(denominator) x factor, or a total.

    A total has no denominator. Terms are columns of `table`, or `rows` (how many there are); `a -
    b` has b in `minus`.
    """

    table: str
    group: Group
    numerator: str
    minus: Many = []
    denominator: str | None = None
    denominator_minus: Many = []
    factor: float = 1.0
    unit: Unit
    proportion: bool = False
    mixed_units: str | None = None
    additive: bool
    bigger_is_better: bool | None
    decimals: int = 1
    description: Label
    source: str


class Measure(Label):
    """One figure that is no ratio of sums: a median time, say, or a share of persons followed.

    `by` is module.function under helpers; `needs`: which data it wants.
    """

    group: Group
    unit: Unit
    by: str = Field(pattern=r"^[a-z_]+(\.[a-z_]+)+$")
    formula: Label
    description: Label
    needs: Label
    source: str


class SourceColumn(Entry):
    """How one canonical column is read from an export.

    `from` lists header names, of which the first that has a value counts; `name#2` is the second
    header of that name. `plus` headers are added to the amount, `with` headers joined to the id.
    `part` takes one end of a range of times, or the first of two amounts (`¥11.19 / ¥500`); `when`
    keeps the value only where another canonical column has one, `file` takes it from a named group
    of the export's `file_name` or `title`. `map` goes from the export's words (`*` and `?` as
    wildcards, first fit wins) to ours.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
    header: Many = Field(alias="from", default=[])
    unit: (
        Literal[
            "seconds",
            "minutes",
            "hours",
            "days",
            "fraction",
            "percent",
            "wan",
            "fen",
            "thousand",
            "unsaid",
        ]
        | None
    ) = None
    map: dict[str, str] | None = None
    default: str | None = None
    plus: Many = []
    joined: Many = Field(alias="with", default=[])
    part: Literal["start", "end", "first"] | None = None
    when: str | None = None
    file: str | None = None


class RowWords(Entry):
    """Words of rows that are no records: totals, with what stands before and behind; others."""

    words: list[str]
    before: list[str]
    behind: list[str]
    alone: list[str]
    of_parts: list[str]
    statistics: list[str]
    remarks: list[str]


class SubRows(Entry):
    """Rows below their parent row.

    starts: the mark that their first cell starts with; header, id: where their own id stands.
    """

    starts: str
    header: str | None = None
    id: str


class Export(Label):
    """One table of one export of one system.

    Recognised where all of `headers` are there (`a | b`: either name); the one that explains most
    of the headers wins. `sheet` and `file_name` (a regular expression; its group `as_of` is the
    time of the export) only help; `title` is one for the rows above the headers (a period, say). A
    column `as_of` may be mapped in every export: the time at which it was made, which counts before
    the name's. `totals` names headers and values of rows that may be the sum of others;
    `description_row` is a text in the row of explanations below the headers. `personal` columns are
    never read, `ignore` ones are known and not needed. `list_amount` and `list_price` (of a piece)
    are headers by which the amounts of an order are shared among lines that stand in one row.
    `tells_apart`: headers that are read only to tell rows of one key apart.
    """

    id: str
    grade: Literal["F", "S", "A", "unverified", "own"]
    table: str
    layout: Literal["rows", "vertical", "first_row"] = "rows"
    sheet: Many = []
    file_name: str | None = None
    title: str | None = None
    headers: Many
    columns: dict[str, SourceColumn]
    constants: dict[str, str] = {}
    reported: dict[str, dict[str, str | float]] = {}
    totals: dict[str, Many] = {}
    sub_rows: SubRows | None = None
    description_row: str | None = None
    personal: Many = []
    ignore: Many = []
    list_amount: Many = []
    list_price: Many = []
    tells_apart: Many = []
    money_line: str | None = None
    note: Label | None = None


class Unverified(Label):
    """One export whose layout nobody has seen: its figures go into sheets of our template.

    `words` name it in a file name, a sheet name or a title, all parts of a word together; `tables`
    are the template's sheets.
    """

    id: str
    words: Many
    tables: Many
    note: Label | None = None


class System(Label):
    """One source system: the exports that are read, and those whose layout is not verified."""

    system: str
    platform: str | None
    exports: list[Export] = []
    unverified: list[Unverified] = []
    where: Label


class FunnelStep(Label):
    """One step: a column of the funnel's table, or of the table `of`.

    `grows` says why it can exceed the step before.
    """

    column: str
    of: str | None = None
    within_minutes: float | None = Field(None, gt=0)
    grows: Label | None = None


class Funnel(Label):
    """One funnel: an ordered list of columns of one table.

    All are of one unit unless `mixed_units` says why not. A funnel of `actions` has viewer events;
    a step counts within so many minutes of the one before, with `ordered: false` in any order.
    """

    table: str
    unit: Literal["users", "times"]
    mixed_units: Label | None = None
    ordered: bool = True
    steps: list[FunnelStep] = Field(min_length=2)

    @model_validator(mode="after")
    def _of_events(self) -> Funnel:
        windows = [step.within_minutes for step in self.steps]
        if any(windows) and (self.table != "actions" or not self.ordered or windows[0]):
            raise ValueError(
                "within_minutes: only a later step of an ordered funnel of actions follows "
                "another one in time"
            )
        if self.table == "actions" and (
            self.unit != "users" or len({step.column for step in self.steps}) < len(self.steps)
        ):
            raise ValueError("a funnel of actions counts users, and each event is one step")
        return self


class Definition(Label):
    """One other meaning of a session's total: a sum of its columns, less others."""

    terms: Many
    minus: Many = []


class Invariant(Label):
    """One thing that must hold in figures that platforms state.

    `columns` are those it looks at, by canonical table, in the order that its kind asks for;
    `invariants.yml` says what each kind is. `share` and `group` are read by the kinds that need
    them; `either_sign`: what is taken off may be written with its minus. `asks`: where it does not
    hold, the file was not understood.
    """

    kind: Literal[
        "total",
        "sub_rows",
        "difference",
        "id_length",
        "after_export",
        "in_period",
        "order_lines",
        "refund_line",
        "refund_order",
        "days",
        "periods",
        "session_total",
    ]
    columns: dict[str, Many]
    share: float | None = Field(None, gt=0.5, lt=1)
    group: str | None = None
    either_sign: bool = False
    asks: bool = False

    @model_validator(mode="after")
    def _whole(self) -> Invariant:
        if self.kind == "id_length" and self.share is None:
            raise ValueError("id_length needs share: how many ids make the length of a column")
        if self.kind == "difference" and any(len(names) != 3 for names in self.columns.values()):
            raise ValueError("a difference names three columns: the result, of what, what is off")
        return self


class Said(Label):
    """A sentence that a notebook shows; {…} are filled with its values."""

    level: Literal["note", "good", "bad", "warn"] = "note"


class Watched(Label):
    """What is wrong where something does not hold that must, and which remedy is shown."""

    remedy: Literal["data", "plan"] = "data"


class ShownColumn(Entry):
    """A column as a table shows it: its name and unit where they are not those of its id.

    `of`: the column of the frame, where that has another name; `optional`: a frame may lack it;
    `empty`: what a cell without a value means.
    """

    zh: str | None = None
    en: str | None = None
    unit: str | None = None
    of: str | None = None
    optional: bool = False
    empty: Label | None = None


class Instead(Entry):
    """What stands where there is nothing to show: which table is missing, or a sentence."""

    missing: str | None = None
    nothing: Said | None = None


class ShownTable(Instead):
    """A table that a notebook shows: its columns in order, or all of the frame.

    `limit`: the most rows; `folded`: closed until opened; `anchor`: the column of ids to which the
    page may point; `stays`: shown with its heads even where it has no row.
    """

    caption: Label
    columns: dict[str, ShownColumn | None] = {}
    all_columns: bool = False
    limit: int | None = None
    folded: bool = False
    anchor: str | None = None
    stays: bool = False


class ShownFigure(Instead):
    """A chart that a notebook shows; `labels` are what the chart calls things, by its options."""

    title: Label
    labels: dict[str, Label] = {}


class Results(Entry):
    """What notebooks show, by id: tables, charts, sentences, and what must hold."""

    tables: dict[str, ShownTable]
    figures: dict[str, ShownFigure]
    sentences: dict[str, Said]
    checks: dict[str, Watched]

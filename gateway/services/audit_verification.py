"""Proves the audit trail, or tells what was done to it: every row against its leaf, every leaf against the signed heads (ADR 0013).

What is signed cannot be made again by whoever may write the database but has no secret key. What cannot be told from inside is a trail that
was set back as a whole, with its tree and its heads, to an earlier state: for that a head is kept elsewhere.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from gateway.domain.audit import AuditRow, Commitments, sealed_entry
from gateway.domain.merkle import GrowingTree, leaf_hash
from gateway.domain.values import HOUR_MS, Instant
from gateway.services.context import Context
from gateway.services.sealing import PAGE, verify_head
from gateway.storage import sealing
from gateway.storage.sealing import Head, Leaf, Tree, read_frontier
from gateway.tokens.claims import TokenRejected

SHOWN = 100
"""Findings that are told one by one; the rest is counted."""

_LATE_MS = HOUR_MS
"""How much earlier than a row before it a row may say it happened: writers of other machines, long transactions, clocks that were set."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it was sealed."""

    kind: str
    """`changed`, `missing`, `reordered`, `added`, `head` or `tree`."""
    number: int | None
    """Of the row in the trail, from 0."""
    id: str
    """Of the row, where it is known."""
    told: str
    """What it was, in words."""
    at: Instant | None = None
    """When the row happened, as far as it says so."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a look at the whole trail found."""

    rows: int
    """That are sealed."""
    heads: int
    root: str
    """Over all sealed rows, in hex."""
    unsealed: int
    """That wait for their seal."""
    erased: int
    """Personal values that were erased; the rows still hold."""
    late: Sequence[Finding]
    """Rows that say they happened long before rows that were sealed ahead of them: a clock was wrong, or somebody wrote them afterwards."""
    findings: Sequence[Finding]
    """Empty where the trail is whole; at most `SHOWN`."""
    found: int
    """How many there are."""


@dataclass(slots=True)
class _Findings:
    shown: list[Finding] = field(default_factory=list)
    count: int = 0

    def add(self, finding: Finding, *, times: int = 1) -> None:
        self.count += times
        if len(self.shown) < SHOWN:
            self.shown.append(finding)


def verify_trail(context: Context, *, unverified_kept: str = "") -> Verdict:
    """Read the whole trail and return what was found; with a head's statement that was kept elsewhere against that one too.

    May run while others write: what is sealed after it began is not looked at.
    """
    tree, heads = sealing.list_heads(context.database)
    tree = tree or Tree(0, "")
    findings = _Findings()
    signed = _signed_heads(context, heads, findings)
    covered = max((mark.size for mark in signed), default=0)
    if covered < tree.size:
        findings.add(Finding("head", covered, "", f"numbers {covered} to {tree.size - 1} are under no signed head"))
    if unverified_kept:
        signed += _kept_head(context, unverified_kept, findings)
    walk = _Walk(context, findings, sorted(signed, key=lambda mark: mark.size))
    walk.go(max([tree.size, *(mark.size for mark in signed)]))
    walk.require_tree(tree)
    _find_added(context, findings, tree.size)
    unsealed, _ = sealing.count_unsealed(context.database)
    return Verdict(
        rows=walk.tree.size,
        heads=len(heads),
        root=walk.tree.root().hex(),
        unsealed=unsealed,
        erased=sealing.count_erased(context.database),
        late=walk.late,
        findings=findings.shown,
        found=findings.count,
    )


@dataclass(frozen=True, slots=True)
class _Mark:
    """A size at which the root is known."""

    size: int
    root: str
    name: str


def _signed_heads(context: Context, heads: Sequence[Head], findings: _Findings) -> list[_Mark]:
    """Return what the stored heads sign; tell of those that are not ours, or whose columns say something else."""
    marks = []
    for head in heads:
        try:
            signed = verify_head(context, head.statement)
        except TokenRejected as error:
            findings.add(Finding("head", None, "", f"the head over {head.size} rows is not signed by this platform ({error})", head.at))
            continue
        if signed != head:
            told = f"the head that is stored as one over {head.size} rows was signed over {signed.size}, with another root or time"
            findings.add(Finding("head", None, "", told, head.at))
        marks.append(_Mark(signed.size, signed.root, "the signed head"))
    return marks


def _kept_head(context: Context, unverified_kept: str, findings: _Findings) -> list[_Mark]:
    try:
        kept = verify_head(context, unverified_kept)
    except TokenRejected as error:
        findings.add(Finding("head", None, "", f"the head that was kept is not signed by this platform ({error})"))
        return []
    return [_Mark(kept.size, kept.root, "the head that was kept")]


class _Walk:
    """Goes over all leaves in order, with their rows."""

    def __init__(self, context: Context, findings: _Findings, marks: Sequence[_Mark]) -> None:
        self.tree = GrowingTree()
        self.late: list[Finding] = []
        self._context = context
        self._findings = findings
        self._marks = list(marks)
        self._whole = True
        """Whether every leaf so far was there: without one no root can be computed any more."""
        self._proved = 0
        """Size of the largest tree that agreed with a head."""
        self._latest = Instant(0)

    def go(self, end: int) -> None:
        """Walk up to a size."""
        due = 0
        for leaf in self._leaves(end):
            if leaf.number > due:
                self._tell_missing(due, leaf.number)
            due = leaf.number + 1
            self._look_at(leaf)
            if self._whole:
                self.tree.append(bytes.fromhex(leaf.hash) if _is_hash(leaf.hash) else b"")
                self._compare()
        if due < end:
            self._tell_missing(due, end)

    def require_tree(self, stored: Tree) -> None:
        """Tell if what sealing goes on from is not what the leaves give."""
        if not self._whole:
            return
        try:
            frontier = tuple(read_frontier(stored.frontier))
        except ValueError:
            frontier = ()
        if (stored.size, frontier) != (self.tree.size, self.tree.frontier):
            told = f"the stored state of the tree, of {stored.size} rows, is not what its {self.tree.size} leaves give"
            self._findings.add(Finding("tree", None, "", told))

    def _leaves(self, end: int) -> Iterator[Leaf]:
        first = 0
        while page := sealing.list_leaves(self._context.database, first=first, end=end, limit=PAGE):
            yield from page
            first = page[-1].number + 1

    def _look_at(self, leaf: Leaf) -> None:
        row = leaf.row
        if row is None:
            told = "the row is gone"
            self._findings.add(Finding("missing", leaf.number, leaf.entry, told, _time_of(leaf.entry)))
            return
        if row.leaf != leaf.number:
            told = f"the row now claims to be number {row.leaf}: {_words(row)}"
            self._findings.add(Finding("reordered", leaf.number, row.id, told, row.at))
        if not _is_as_sealed(leaf, row):
            self._findings.add(Finding("changed", leaf.number, row.id, f"it now reads: {_words(row)}", row.at))
        self._note_time(leaf.number, row)

    def _note_time(self, number: int, row: AuditRow) -> None:
        if row.at + _LATE_MS < self._latest and len(self.late) < SHOWN:
            self.late.append(Finding("late", number, row.id, _words(row), row.at))
        self._latest = max(self._latest, row.at)

    def _tell_missing(self, first: int, end: int) -> None:
        self._whole = False
        numbers = f"number {first}" if end - first == 1 else f"numbers {first} to {end - 1}"
        self._findings.add(Finding("missing", first, "", f"{numbers}: the leaves are gone"), times=end - first)

    def _compare(self) -> None:
        """Compare with the heads over as many rows as were walked."""
        while self._marks and self._marks[0].size <= self.tree.size:
            mark = self._marks.pop(0)
            if mark.size != self.tree.size:
                continue
            if mark.root == self.tree.root().hex():
                self._proved = mark.size
            else:
                rows = f"among the rows {self._proved} to {mark.size - 1}" if self._proved else f"among the first {mark.size} rows"
                told = f"{mark.name} over {mark.size} rows has another root: {rows} some were changed together with their leaves"
                self._findings.add(Finding("head", None, "", told))


def _find_added(context: Context, findings: _Findings, sealed: int) -> None:
    """Tell of rows that claim to be sealed and are not."""
    told_already = {finding.id for finding in findings.shown}
    for row in sealing.list_without_leaf(context.database, limit=SHOWN):
        # One that was sealed since the walk began has its leaf; one whose number moved was told of.
        if row.id not in told_already:
            findings.add(Finding("added", row.leaf, row.id, f"it was never sealed, of {sealed} rows: {_words(row)}", row.at))


def _is_as_sealed(leaf: Leaf, row: AuditRow) -> bool:
    try:
        kept = Commitments.parse(leaf.erasure) if leaf.erasure else None
    except ValueError:
        return False
    return leaf_hash(sealed_entry(row, kept)).hex() == leaf.hash


def _is_hash(text: str) -> bool:
    try:
        return len(bytes.fromhex(text)) == len(leaf_hash(b""))
    except ValueError:
        return False


def _words(row: AuditRow) -> str:
    code = f" {row.code}" if row.code else ""
    return f"{row.action} of {row.target_kind} {row.target} by {row.actor_kind} {row.actor}".rstrip() + f", {row.outcome}{code}"


def _time_of(entry: str) -> Instant | None:
    """Return when a row with such an id was written: its first 48 bits say it (UUIDv7)."""
    try:
        return Instant(int(entry.replace("-", "")[:12], 16))
    except ValueError:
        return None

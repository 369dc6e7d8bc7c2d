"""Words and sentences that reach a page only while the farm runs, named here so that the catalog holds them.

Templates show them by the filter `translated`. What `list_sentences` gives comes from the farm's own tables.
"""

from __future__ import annotations

from jobs.engine.retries import REASONS
from web.errors import CODES


def N_(word: str) -> str:
    """Mark a word for the catalog and leave it as it is; the name is gettext's own."""
    return word


STATUSES = (
    N_("queued"),
    N_("running"),
    N_("succeeded"),
    N_("failed"),
    N_("canceled"),
    N_("partial"),
    N_("pending"),
    N_("retrying"),
)
WHENS = (N_("paused"), N_("unavailable"), N_("refused"), N_("slow"))
"""Why an alternative was taken, or may be."""
OTHERS = (
    N_("further notice"),
    N_("accepted"),
    N_("deleted"),
    N_("retry"),
    N_("redo"),
    N_("cancel"),
    N_("delete"),
    N_("new link"),
)
REMAINS = (
    N_("input and output files, until swept there"),
    N_("input and output files, until that host removes them for their age"),
    N_("as its terms say"),
)
"""What a receipt says may remain elsewhere."""

ROLE_NAMES = {"attendant": N_("attendant"), "technician": N_("technician"), "owner": N_("owner")}
ACTORS = (N_("command line"),)
"""Who may stand in the audit and is no operator."""
CONFLICTS = (
    N_("A booth's name has 1 to 64 letters, digits, - or _, and starts with a letter or digit."),
    N_("There is a booth of this name already. Give it a new key instead."),
    N_("An operator's name has 1 to 64 letters, digits, ., - or _, and starts with a letter or digit."),
    N_("There is an operator of this name already."),
    N_("admin belongs to the farm. Its password is set by ADMIN_PASSWORD and a restart."),
    N_("You cannot change your own role or remove yourself. Another owner can."),
    N_("This is the last owner. Make somebody else an owner first."),
    N_("There is no such role."),
)
"""Why a change of booths or operators was refused."""

SET_ASIDE = (
    N_("not asked yet"),
    N_("refuses connections"),
    N_("does not stop a prompt whose time is over"),
    N_("makes no progress: the prompt at its head does not move"),
)
"""Why a ComfyUI server gets no work."""


def list_sentences() -> list[str]:
    """Why tasks failed, and every refusal's title and meaning."""
    return [*REASONS.values(), *(text for code in CODES.values() for text in (code.title, code.meaning))]

"""What a receipt tells a guest about copies that the farm cannot remove by itself."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _

from web.languages import show_local


def tell_remains(receipt: dict[str, Any]) -> list[str]:
    """One sentence for each kind of place; machines are counted, not named: their addresses are nothing for guests."""
    remains = receipt.get("may_remain") or []
    sentences = []
    machines = [entry for entry in remains if entry.get("place") == "comfyui" and not entry.get("gone_at")]
    if machines:
        until = max((str(entry["until"]) for entry in machines if entry.get("until")), default="")
        sentences.append(
            _("Working copies on the machines that made the picture: removed by %(time)s.", time=show_local(until))
            if until
            else _("Working copies on the machines that made the picture: until these are tidied up.")
        )
    for name in sorted({str(entry.get("provider", "")) for entry in remains if entry.get("place") == "provider"}):
        sentences.append(_("At the image service %(name)s: as long as its terms say.", name=name))
    return sentences

"""What an operator reads: previews in numbers, progress, reports."""

from collections.abc import Mapping
from datetime import tzinfo
from html import escape

from aiogram.utils.i18n import ngettext

from bot.campaigns.campaign import Campaign, PauseReason, Report
from bot.campaigns.countries import rules_of
from bot.campaigns.policy import Refusal, RefusalKind
from bot.campaigns.states import CampaignState, DeliveryState
from bot.consent.purposes import Catalogue, Kind
from bot.usecases.campaigns import Audience
from handlers import words
from handlers.i18n import _, time_words
from handlers.operator.data import At, Change, Choose, Draft, Leave, Manage, Page, Step
from handlers.screen import Button, Screen

BAR_CELLS = 12
EARLY_HOUR = 10
HOUR_SECONDS = 3600
MINUTE_SECONDS = 60


def cancel_row() -> list[Button]:
    return [Button(text=words.cancel(), data=Leave().pack())]


def purposes(catalogue: Catalogue, locale: str) -> Screen:
    """Ask what the message is for; nothing is ever sent under processing."""
    rows = [
        [Button(text=purpose.title[locale], data=Choose(purpose_id=purpose.id).pack())]
        for purpose in catalogue.purposes
        if purpose.kind is not Kind.PROCESSING
    ]
    return Screen(text=_("What is the message for?"), rows=[*rows, cancel_row()])


def ask_content(title: str) -> Screen:
    text = _(
        "<b>{title}</b>\n\nNow send me the message, just as people shall get it: text with "
        "formatting, a photo or a document with a caption. You will see it before anything is sent."
    ).format(title=escape(title))
    return Screen(text=text, rows=[cancel_row()])


def refused(refusals: list[Refusal], catalogue: Catalogue) -> Screen:
    """Say why the law or the purposes file stands against it, and what to do."""
    blocks = []
    for refusal in refusals:
        match refusal.kind:
            case RefusalKind.ADVISORY:
                risks = rules_of(catalogue.controller.country).advisories
                explained = risks[refusal.advisory_id or ""]
                blocks.append(
                    _(
                        "⚖️ <b>{id}</b>\n{explanation}\n\nIf the controller takes this risk, add to "
                        'the purposes file and start again:\n<pre>[[advisory]]\nid = "{id}"\n'
                        'accepted_by = "…"\naccepted_on = …</pre>'
                    ).format(
                        id=escape(refusal.advisory_id or ""),
                        explanation=escape(_(explained)),
                    )
                )
            case RefusalKind.ADVERTISER_UNKNOWN:
                blocks.append(
                    _(
                        "⚖️ Advertising must name the advertiser with the INN (38-FZ art. 18.1). "
                        "Add <code>inn</code> to [controller] in the purposes file."
                    )
                )
            case RefusalKind.NOTHING_UNDER_PROCESSING:
                blocks.append(_("Nothing is ever sent under this purpose."))
    return Screen(text=_("This cannot be sent.") + "\n\n" + "\n\n".join(blocks))


def control(
    campaign: Campaign, title: str, audience: Audience, rate: float, *, allows_erid: bool
) -> Screen:
    """Stand under the preview: who will get it, who not, how long it takes, what now."""
    people = ngettext(
        "{count} person will receive it", "{count} people will receive it", audience.reached
    ).format(count=audience.reached)
    text = _("👆 <b>Preview</b>: exactly this will arrive.\n\n<b>{title}</b>\n📬 {people}").format(
        title=escape(title), people=people
    )
    if audience.reached:
        text += "\n⏱ " + _("It takes about {duration}").format(
            duration=duration_words(audience.seconds(rate))
        )
    if audience.excluded:
        text += "\n\n" + _("Will not receive it:") + "\n" + exclusions(audience.excluded)
    return Screen(text=text, rows=_control_rows(campaign, allows_erid=allows_erid))


def _control_rows(campaign: Campaign, *, allows_erid: bool) -> list[list[Button]]:
    def button(text: str, step: Step) -> Button:
        return Button(text=text, data=_draft(step, campaign).pack())

    extras = [button("🔗 " + _("Link buttons"), Step.LINKS)]
    if allows_erid:
        extras.append(button("🏷 erid", Step.ERID))
    return [
        [button(words.send_now(), Step.SEND), button(words.schedule(), Step.SCHEDULE)],
        [button(words.test_to_me(), Step.TEST), *extras],
        [button(words.cancel(), Step.CANCEL)],
    ]


def exclusions(counts: Mapping[str, int]) -> str:
    names = reason_names()
    lines = [f"• {names.get(word, word)}: {count}" for word, count in sorted(counts.items())]
    return "\n".join(lines)


def reason_names() -> dict[str, str]:
    """Why somebody does not receive a message, or a send failed."""
    return {
        "never_asked": _("never answered"),
        "unconfirmed": _("not confirmed"),
        "refused": _("declined"),
        "withdrawn": _("left"),
        "expired": _("consent ended"),
        "older_text": _("agreed to an older text"),
        "prerequisite": _("a required consent is missing"),
        "blocked": _("blocked the bot"),
        "suppressed": _("wants never to be written to"),
        "paused": _("paused all messages"),
        "erased": _("erased"),
        "cancelled": _("campaign cancelled"),
        "deactivated": _("account deleted"),
        "chat_not_found": _("chat not found"),
        "content_refused": _("Telegram refused the message"),
        "unreadable": _("could not be addressed"),
    }


def duration_words(seconds: float) -> str:
    """Say how long in the largest unit that fits."""
    if seconds < MINUTE_SECONDS:
        count = max(1, round(seconds))
        return ngettext("{count} second", "{count} seconds", count).format(count=count)
    if seconds < HOUR_SECONDS:
        count = round(seconds / MINUTE_SECONDS)
        return ngettext("{count} minute", "{count} minutes", count).format(count=count)
    count = round(seconds / HOUR_SECONDS)
    return ngettext("{count} hour", "{count} hours", count).format(count=count)


def _draft(step: Step, campaign: Campaign) -> Draft:
    return Draft(step=step, campaign_id=campaign.id, revision=campaign.revision)


def last_question(campaign: Campaign, audience: Audience) -> Screen:
    text = ngettext(
        "Send to {count} person now?", "Send to {count} people now?", audience.reached
    ).format(count=audience.reached)
    rows = [
        [
            Button(
                text=words.yes_send(),
                data=_draft(Step.CONFIRM, campaign).pack(),
            )
        ],
        [
            Button(text="⬅️ " + _("Back"), data=_draft(Step.BACK, campaign).pack()),
            Button(text=words.cancel(), data=_draft(Step.CANCEL, campaign).pack()),
        ],
    ]
    return Screen(text=text, rows=rows)


def ask_time(campaign: Campaign, zone_name: str) -> Screen:
    text = _(
        "When shall it start? Send a time in the zone {zone}, like 2026-12-24 10:00, 24.12 10:00 "
        "or 10:00, or choose:"
    ).format(zone=zone_name)

    def button(label: str, *, hours: int = 0, hour: int = 0) -> Button:
        data = At(campaign_id=campaign.id, hours=hours, hour=hour, revision=campaign.revision)
        return Button(text=label, data=data.pack())

    rows = [
        [
            button(_("In 1 hour"), hours=1),
            button(_("In 3 hours"), hours=3),
            button(_("Tomorrow at 10:00"), hour=EARLY_HOUR),
        ],
        [Button(text="⬅️ " + _("Back"), data=_draft(Step.BACK, campaign).pack())],
    ]
    return Screen(text=text, rows=rows)


# --- confirmed campaigns ----------------------------------------------------------------------


def state_words(campaign: Campaign, zone: tzinfo, locale: str) -> str:
    match campaign.state:
        case CampaignState.SCHEDULED if campaign.starts_at is not None:
            return "🕒 " + _("starts on {time}").format(
                time=time_words(campaign.starts_at, zone, locale)
            )
        case CampaignState.RUNNING:
            return "📣 " + _("being sent")
        case CampaignState.PAUSED:
            return "⏸ " + _("paused") + pause_words(campaign.pause_reason)
        case CampaignState.FINISHED:
            return "✅ " + _("finished")
        case CampaignState.CANCELLED:
            return "✖️ " + _("cancelled")
        case _:
            return _("draft")


def pause_words(reason: PauseReason | None) -> str:
    """Explain a pause that was not the operator's wish."""
    return {
        PauseReason.CONTENT_REFUSED: ": "
        + _("Telegram refuses the message for everybody; write a new one"),
        PauseReason.OUTAGE: ": "
        + _("no updates were received for over a day, withdrawals may be missing; resume if sure"),
        PauseReason.MISSED: ": "
        + _("its time passed while the program did not run; resume to send it now"),
        PauseReason.RESTORED: ": "
        + _(
            "the database was put back from a copy: whoever left or got messages since then is "
            "not known; resume only if sure"
        ),
        PauseReason.NOTICE_CHANGED: ": "
        + _(
            "what it was confirmed with has changed (the purpose's text, the advertiser or an "
            "accepted risk); resume to send it to those who agree now"
        ),
    }.get(reason or PauseReason.OPERATOR, "")


def progress(campaign: Campaign, report: Report, title: str, zone: tzinfo, locale: str) -> Screen:
    """Show a campaign: a bar while it runs, the report when it is over."""
    settled = report.total - report.open
    share = settled / report.total if report.total else 0
    lines = [
        f"<b>№{campaign.number} · {escape(title)}</b>",
        state_words(campaign, zone, locale),
    ]
    if campaign.state in {CampaignState.RUNNING, CampaignState.PAUSED}:
        full = round(share * BAR_CELLS)
        bar = "▓" * full + "░" * (BAR_CELLS - full)
        lines.append(f"{bar} {settled}/{report.total}")
    lines += ["", *report_lines(report)]
    return Screen(text="\n".join(lines), rows=manage_rows(campaign))


def report_lines(report: Report) -> list[str]:
    """The outcome in numbers; doubtful sends are always shown (promise 5)."""
    lines = [
        "📨 " + _("Sent: {count}").format(count=report.count(DeliveryState.SENT)),
        "❓ " + _("Uncertain: {count}").format(count=report.count(DeliveryState.UNCERTAIN)),
    ]
    failed = report.count(DeliveryState.FAILED)
    if failed:
        lines.append("⚠️ " + _("Failed: {count}").format(count=failed))
        lines.append(exclusions(report.failed_by_reason))
    if report.count(DeliveryState.SUPPRESSED):
        lines.append(
            "🚫 " + _("Not sent: {count}").format(count=report.count(DeliveryState.SUPPRESSED))
        )
        lines.append(exclusions(report.suppressed_by_reason))
    if report.left:
        lines.append("👋 " + _("Left because of it: {count}").format(count=report.left))
    return lines


def manage_rows(campaign: Campaign) -> list[list[Button]]:
    def button(text: str, change: Change) -> Button:
        return Button(text=text, data=Manage(change=change, campaign_id=campaign.id).pack())

    match campaign.state:
        case CampaignState.RUNNING:
            return [
                [
                    button(words.pause(), Change.PAUSE),
                    button(words.cancel_campaign(), Change.CANCEL),
                ]
            ]
        case CampaignState.PAUSED:
            return [
                [
                    button(words.resume(), Change.RESUME),
                    button(words.cancel_campaign(), Change.CANCEL),
                ]
            ]
        case CampaignState.SCHEDULED:
            return [[button(words.cancel_campaign(), Change.CANCEL)]]
        case _:
            return []


def campaign_list(
    page: list[tuple[Campaign, Report]],
    titles: Mapping[str, str],
    zone: tzinfo,
    locale: str,
    *,
    has_more: bool,
) -> Screen:
    """The newest first; each opens, the newest can be paused at once."""
    if not page:
        return Screen(text=_("Nothing has been sent yet. Write the first: /broadcast"))
    blocks = []
    for campaign, report in page:
        title = escape(titles.get(campaign.purpose_id, campaign.purpose_id))
        sent = _("Sent: {count}").format(count=report.count(DeliveryState.SENT))
        doubt = _("Uncertain: {count}").format(count=report.count(DeliveryState.UNCERTAIN))
        state = state_words(campaign, zone, locale)
        blocks.append(f"<b>№{campaign.number} · {title}</b>\n{state}\n{sent} · {doubt}")
    opens = [
        Button(
            text=f"№{campaign.number}",
            data=Manage(change=Change.OPEN, campaign_id=campaign.id).pack(),
        )
        for campaign, _report in page
    ]
    rows = [opens[start : start + 5] for start in range(0, len(opens), 5)]
    rows = [*manage_rows(page[0][0]), *rows]
    if has_more:
        rows.append([Button(text=_("Older"), data=Page(before=page[-1][0].number).pack())])
    return Screen(text="\n\n".join(blocks), rows=rows)

"""English."""

from bot.texts.catalog import Texts

TEXTS = Texts(
    code="en",
    own_name="English",
    greeting="Hello! This is {shop}. Ask me anything.",
    no_shop=(
        "I do not know yet which shop you would like to ask about. Please open the link the shop gave "
        "you, or send /start followed by the shop's key."
    ),
    unknown_shop="I know no shop with this key. Please check the link, or ask the shop for a new one.",
    handed_over="We go on here with your conversation with {shop}. This is where it stood:",
    handoff_ended=(
        "This link has been used already, or its ten minutes are over. Please take a new one from the chat "
        "on the site."
    ),
    help=(
        "Write your question in your own words, in any language: I look for the answer in the shop's "
        "documents and name the sources.\n\n"
        "In a group, mention me or reply to one of my messages.\n\n"
        "/start — the greeting and some questions to begin with\n"
        "/lang — the language of buttons and hints\n"
        "/help — this page"
    ),
    command_start="Start a conversation with a shop",
    command_help="What I can do",
    command_language="Choose the language",
    choose_language=(
        "Which language shall I use for buttons and hints? Answers come in the language of your question."
    ),
    language_chosen="All right, English it is.",
    stop_button="⏹ Stop",
    stopped="Stopped at your request.",
    nothing_to_stop="This answer has already ended.",
    not_yours="Only the person who asked can stop the answer.",
    sources="Sources",
    not_confirmed="Not confirmed by the sources.",
    rated="Thank you!",
    not_rated="This answer cannot be rated any more.",
    is_wrong="It is wrong",
    is_beside_the_question="It does not answer my question",
    is_out_of_date="It is out of date",
    is_unclear="It is hard to understand",
    still_answering="I am still answering your previous question. Wait for it, or press Stop.",
    too_busy="Too many people are asking right now. Please try again in a minute.",
    too_long="Your question is too long. Please keep it within {limit} characters.",
    only_text="I understand only written questions.",
    empty_answer="I have no answer to this.",
    model_away="The assistant's writer is unavailable; these are quotations.",
    not_sure="This is not an answer, only what may help.",
    cut_short="The answer was longer than allowed and ends here.",
    interrupted="The answer was interrupted because I am being restarted. Please ask again in a minute.",
    failed="I could not finish the answer. Please try again.",
    unavailable="The knowledge base does not respond right now. Please try again in a minute.",
    too_many="Too many questions at once. Please try again in {seconds} s.",
    quota_spent="No more questions can be answered today. Please come back after {time}, in {wait}.",
    hours_and_minutes="{hours} h {minutes} min",
    not_allowed="This shop is not open for questions at the moment.",
    reference="Request {request_id}",
)

"""A whole request as a chat model reads it."""

from harness.core.prompting import inputs_message, shared_messages


def chat_messages(request):
    return [*shared_messages(request.prompt), inputs_message(request.inputs)]

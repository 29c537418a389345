#!/usr/bin/env python3
"""Writes chat_templates.json: the common chat templates and what transformers renders with them.

    python3 tests/golden/make_chat_templates.py

Needs transformers. The templates are those that the models of these names carry, shortened to what
is rendered without tools.
"""
import json
import pathlib

from transformers.utils.chat_template_utils import render_jinja_template

CHATML = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + "
    "'<|im_end|>' + '\\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}"
    "{% endif %}")
SMOLLM2 = CHATML.replace(
    "{% for message in messages %}",
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face"
    "<|im_end|>\n' }}{% endif %}")
QWEN2 = SMOLLM2.replace("You are a helpful AI assistant named SmolLM, trained by Hugging Face",
                        "You are a helpful assistant.").replace("system\nYou", "system\\nYou").replace(
                            "<|im_end|>\n' }}{% endif %}", "<|im_end|>\\n' }}{% endif %}", 1)
QWEN25 = """{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- if messages[0]['role'] == 'system' %}
        {{- messages[0]['content'] }}
    {%- else %}
        {{- 'You are Qwen, created by Alibaba Cloud. You are a helpful assistant.' }}
    {%- endif %}
    {{- "\\n\\n# Tools\\n\\nYou may call one or more functions to assist with the user query.<|im_end|>\\n" }}
{%- else %}
    {%- if messages[0]['role'] == 'system' %}
        {{- '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}
    {%- else %}
        {{- '<|im_start|>system\\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\\n' }}
    {%- endif %}
{%- endif %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) or (message.role == "assistant" and not message.tool_calls) %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "tool" %}
        {{- '<|im_start|>user\\n<tool_response>\\n' + message.content + '\\n</tool_response><|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""
LLAMA3 = (
    "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = "
    "'<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + "
    "'<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}"
    "{{ content }}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}")
LLAMA31 = """{{- bos_token }}
{%- if custom_tools is defined %}
    {%- set tools = custom_tools %}
{%- endif %}
{%- if not date_string is defined %}
    {%- set date_string = "26 Jul 2024" %}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}

{#- This block extracts the system message, so we can slot it into the right place. #}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}

{#- System message + builtin tools #}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{%- if builtin_tools is defined or tools is not none %}
    {{- "Environment: ipython\\n" }}
{%- endif %}
{{- "Cutting Knowledge Date: December 2023\\n" }}
{{- "Today Date: " + date_string + "\\n\\n" }}
{{- system_message }}
{{- "<|eot_id|>" }}

{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
"""
LLAMA2 = (
    "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}"
    "{% set system_message = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}"
    "{% set system_message = false %}{% endif %}{% for message in loop_messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception("
    "'Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "{% if loop.index0 == 0 and system_message != false %}{% set content = '<<SYS>>\\n' + "
    "system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}{% else %}"
    "{% set content = message['content'] %}{% endif %}{% if message['role'] == 'user' %}"
    "{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}"
    "{% elif message['role'] == 'assistant' %}{{ ' '  + content.strip() + ' ' + eos_token }}"
    "{% endif %}{% endfor %}")
MISTRAL1 = (
    "{{ bos_token }}{% for message in messages %}{% if (message['role'] == 'user') != "
    "(loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate "
    "user/assistant/user/assistant/...') }}{% endif %}{% if message['role'] == 'user' %}"
    "{{ '[INST] ' + message['content'] + ' [/INST]' }}{% elif message['role'] == 'assistant' %}"
    "{{ message['content'] + eos_token + ' ' }}{% else %}{{ raise_exception("
    "'Only user and assistant roles are supported!') }}{% endif %}{% endfor %}")
MISTRAL2 = MISTRAL1.replace("eos_token + ' ' }}", "eos_token}}")
MISTRAL_SYSTEM = """{%- if messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}

{{- bos_token }}
{%- for message in loop_messages %}
    {%- if (message["role"] == "user") != (loop.index0 % 2 == 0) %}
        {{- raise_exception("After the optional system message, conversation roles must alternate user/assistant/user/assistant/...") }}
    {%- endif %}
    {%- if message["role"] == "user" %}
        {%- if loop.first and system_message is defined %}
            {{- " [INST] " + system_message + "\\n\\n" + message["content"] + " [/INST]" }}
        {%- else %}
            {{- " [INST] " + message["content"] + " [/INST]" }}
        {%- endif %}
    {%- elif message["role"] == "assistant" %}
        {{- " " + message["content"] + eos_token}}
    {%- else %}
        {{- raise_exception("Only user and assistant roles are supported, with the exception of an initial optional system message!") }}
    {%- endif %}
{%- endfor %}
"""
MISTRAL3 = MISTRAL_SYSTEM.replace("loop.first and", "loop.last and").replace('" [INST] "', '"[INST] "').replace(
    '" [/INST]"', '"[/INST]"').replace('message["content"] + eos_token', 'message["content"]|trim + eos_token')

TEMPLATES = [
    ("ChatML", CHATML, "", "<|endoftext|>"), ("SmolLM2", SMOLLM2, "<|im_start|>", "<|im_end|>"),
    ("Qwen2", QWEN2, "", "<|im_end|>"), ("Qwen2.5", QWEN25, "", "<|im_end|>"),
    ("Llama 3", LLAMA3, "<|begin_of_text|>", "<|eot_id|>"),
    ("Llama 3.1", LLAMA31, "<|begin_of_text|>", "<|eot_id|>"),
    ("Llama 2", LLAMA2, "<s>", "</s>"), ("Mistral 0.1", MISTRAL1, "<s>", "</s>"),
    ("Mistral 0.2", MISTRAL2, "<s>", "</s>"), ("Mistral, system first", MISTRAL_SYSTEM, "<s>", "</s>"),
    ("Mistral 0.3", MISTRAL3, "<s>", "</s>"),
]
SYSTEM = {"role": "system", "content": "  Be brief,\nand kind. "}
USER = {"role": "user", "content": "What is the capital of France?"}
ANSWER = {"role": "assistant", "content": "\n Paris. "}
MORE = {"role": "user", "content": "\t And \"of\" l'Espagne?\n\n{{ x }} \u00e9\u4e2d\U0001f600\n"}
CONVERSATIONS = [[USER], [MORE], [SYSTEM, USER], [USER, ANSWER], [USER, ANSWER, MORE],
                 [SYSTEM, MORE, ANSWER, USER, ANSWER, MORE], [USER, USER], [SYSTEM, ANSWER]]


def render(template, bos, eos, messages, prompt):
    """The text, or None where the template raises."""
    try:
        done = render_jinja_template([messages], chat_template=template, add_generation_prompt=prompt,
                                     bos_token=bos, eos_token=eos)
    except Exception as error:  # noqa: BLE001: jinja2's own kinds
        print(type(error).__name__, error)
        return None
    return done[0][0]


golden = [{"name": name, "template": template, "bos": bos, "eos": eos,
           "cases": [{"messages": messages, "prompt": prompt,
                      "text": render(template, bos, eos, messages, prompt)}
                     for messages in CONVERSATIONS for prompt in (False, True)]}
          for name, template, bos, eos in TEMPLATES]
target = pathlib.Path(__file__).with_name("chat_templates.json")
target.write_text(json.dumps(golden) + "\n")
print(target, target.stat().st_size, "bytes")

// Rows of the keys of the guards.
#include "keys/keys.h"

namespace loom::app {

namespace {

using enum KeyType;

constexpr KeyRow rows[] = {
    {.pattern = "security.pii_detection.enabled",
     .type = boolean,
     .default_text = "off",
     .meaning = "on: looks for personal data and secrets in the texts of requests that are read (contents, parts, "
                "instructions, what tools said), before anything is sent or counted, and of answers where "
                "security.pii_detection.direction names them. Not looked at: media, addresses, names and ids"},
    {.pattern = "security.pii_detection.action",
     .type = choice,
     .default_text = "mask",
     .meaning = "mask: a placeholder takes its place ([EMAIL_1]; the same value has the same number within a request); "
                "block: the request is refused with 400, or the answer; a stream ends there, as one that a filter has "
                "ended; log: it is counted alone",
     .choices = "mask|block|log"},
    {.pattern = "security.pii_detection.types",
     .type = list,
     .default_text = "email, phone, ssn, credit_card",
     .meaning = "what is looked for. all: each that a check digit, an issuer or a format of its own tells from other "
                "text; us_passport and secret (values that are given to a name like password) have none and have to be "
                "named"},
    {.pattern = "security.pii_detection.type.<name>.action",
     .type = choice,
     .meaning = "of this type, in place of security.pii_detection.action. Finds that overlap are one, of the stricter "
                "type; one "
                "that is logged alone gives way to any other",
     .choices = "mask|block|log"},
    {.pattern = "security.pii_detection.mask",
     .type = choice,
     .default_text = "placeholder",
     .meaning =
         "what takes a value's place. placeholder: [EMAIL_1]; partial: a**@example.org, **** 1111; hash: "
         "[EMAIL_3f2a90c1d4e5b677], the same for the same value under security.pii_detection.hash_key; reversible: "
         "a placeholder goes to the provider, and in the answer to the same client the value takes its place "
         "again, in streams and in calls of tools too",
     .choices = "placeholder|partial|hash|reversible"},
    {.pattern = "security.pii_detection.hash_key",
     .type = secret,
     .meaning = "the key of hashes: who has it can test guesses, nobody else"},
    {.pattern = "security.pii_detection.exempt",
     .type = list,
     .meaning = "values that are nobody's secret: support@example.org, or *@example.org for all that end so"},
    {.pattern = "security.pii_detection.direction",
     .type = list,
     .default_text = "request",
     .meaning = "request: what clients send; response: what they get, whole or as a stream, of which no more is held "
                "back than what may still become a find. Log probabilities tell a text again and are left out",
     .choices = "request|response"},
    {.pattern = "security.rule.<name>.pattern",
     .type = text,
     .meaning =
         "a type of one's own, looked for with security.pii_detection wherever its types are: a regular expression "
         "of Hyperscan's (PCRE without back references and lookaround, over bytes; (?i) in front: whatever the "
         "case of ASCII). Every byte that a match covers is found; a match has 512 bytes at most"},
    {.pattern = "security.rule.<name>.words",
     .type = list,
     .meaning = "in place of a pattern: words and phrases, as words of their own, whatever the case of ASCII"},
    {.pattern = "security.rule.<name>.check",
     .type = choice,
     .default_text = "none",
     .meaning = "what must be right of the digits of the longest match that ends at a place (write \\b around a "
                "number): the check "
                "digit of Luhn, of Verhoeff, of ISO 7064 MOD 11,10; "
                "of its digits and letters: MOD 97-10",
     .choices = "none|luhn|verhoeff|mod_11_10|mod_97"},
    {.pattern = "security.rule.<name>.max_length",
     .type = integer,
     .default_text = "64",
     .meaning =
         "how often what repeats without an end (+, *, {2,}) does so at most. A stream holds back what may still "
         "become a match: as many bytes as the longest of all rules has",
     .range = "1..512"},
    {.pattern = "security.rule.<name>.action",
     .type = choice,
     .meaning = "in place of security.pii_detection.action",
     .choices = "mask|block|log"},
    {.pattern = "security.prompt_injection.enabled",
     .type = boolean,
     .default_text = "off",
     .meaning =
         "on: scores the same texts by how much they look like an attack on the model's instructions: to "
         "override them, to play another role, to forge the marks between turns, to have them told; also spelled "
         "in other letters, apart, or encoded. Rules and words, no model that is asked: README says how much it "
         "finds"},
    {.pattern = "security.prompt_injection.action",
     .type = choice,
     .default_text = "block",
     .meaning = "block: the request is refused with 400; log: it is counted alone; sanitize: the words that make it "
                "one are taken "
                "out, and the rest is sent",
     .choices = "block|log|sanitize"},
    {.pattern = "security.prompt_injection.sensitivity",
     .type = choice,
     .default_text = "medium",
     .meaning = "high finds more, and takes more of what is harmless for an attack; low only what is plain",
     .choices = "low|medium|high"},
    {.pattern = "security.content_filtering.enabled",
     .type = boolean,
     .default_text = "off",
     .meaning =
         "on: looks in the texts of requests for what is not to be asked for, by words and their order, and no "
         "model that is asked: README says how much it finds. Of answers security.content_filtering.response.action "
         "decides"},
    {.pattern = "security.content_filtering.categories",
     .type = list,
     .default_text = "hate, violence, self_harm, sexual, harassment, illegal",
     .meaning = "what is looked for; security.content_filtering.words is looked for whatever is named here"},
    {.pattern = "security.content_filtering.action",
     .type = choice,
     .default_text = "block",
     .meaning = "block: the request is refused with 400; log: it is counted alone",
     .choices = "block|log"},
    {.pattern = "security.content_filtering.category.<name>.action",
     .type = choice,
     .meaning = "of this category, in place of security.content_filtering.action; `custom` is that of "
                "security.content_filtering.words. One that is to be counted alone is so in answers too",
     .choices = "block|log"},
    {.pattern = "security.content_filtering.severity",
     .type = choice,
     .default_text = "medium",
     .meaning = "the least that counts: low takes more of what is harmless, high only what is plain",
     .choices = "low|medium|high"},
    {.pattern = "security.content_filtering.words",
     .type = list,
     .meaning = "words and phrases, of six words at most, that no request may hold, and no answer where answers are "
                "looked at, whatever their case, accents and hidden signs"},
    {.pattern = "security.content_filtering.response.action",
     .type = choice,
     .default_text = "off",
     .meaning =
         "what becomes of answers with a text of the categories and words that are named for requests, whether "
         "security.content_filtering.enabled is on or not. block: the answer is refused with 400; a stream ends there, "
         "as one that a filter has ended, with nothing of the event in which the word ends that made it so; log: it is "
         "counted alone. Texts are read as they come, and what follows takes nothing back: talk of prevention counts "
         "where it stands before. A stream holds back the word at hand, 128 bytes at most",
     .choices = "off|log|block"},
    {.pattern = "security.content_filtering.response.severity",
     .type = choice,
     .meaning = "in place of security.content_filtering.severity",
     .choices = "low|medium|high"},
    {.pattern = "security.exfiltration.links",
     .type = choice,
     .default_text = "off",
     .meaning =
         "what becomes of addresses in answers that may carry data to somebody else: images and all that loads by "
         "itself from a host that is not in security.exfiltration.allowed_hosts, links to such a host with long or "
         "random words in them, and javascript:, data: and their kin (README has the rules). strip: [link removed] "
         "takes the address's place; block: the answer is refused with 400, a stream ends there as one that a filter "
         "has ended; log: it is counted alone",
     .choices = "off|strip|block|log"},
    {.pattern = "security.exfiltration.allowed_hosts",
     .type = list,
     .meaning = "hosts to which any link of an answer may lead: docs.example.com, and *.example.com for all below it"},
    {.pattern = "security.exfiltration.canary",
     .type = list,
     .meaning =
         "marks that stand in what nobody is to be told (a system prompt, a document): an answer that holds one, "
         "whatever the case of ASCII, is refused with 400, a stream ends in front of it; 4 to 128 bytes each, and "
         "4096 in all"},
    {.pattern = "security.exfiltration.system_prompt",
     .type = choice,
     .default_text = "off",
     .meaning =
         "what becomes of an answer that repeats twelve words or more, one behind the other, of its request's own "
         "instructions (system and developer turns, instructions), unless the user's turns hold them too. block: "
         "it is refused with 400, a stream ends in front of them; log: it is counted alone",
     .choices = "off|log|block"},
    {.pattern = "security.strip_html",
     .type = choice,
     .default_text = "off",
     .meaning =
         "HTML that is taken out of the texts of answers, for applications that show them as HTML. scripts: elements "
         "that act (script, style, iframe, object, form, svg and their kin), attributes that are code (on..., style, "
         "srcdoc) and addresses that are (javascript:, vbscript:, data: but for pictures); all: every tag and "
         "comment. Code in an answer is no exception, and is changed as well; tools' arguments are not (README has "
         "the rules)",
     .choices = "off|scripts|all"},
    {.pattern = "security.dry_run",
     .type = boolean,
     .default_text = "off",
     .meaning =
         "on: all is looked for and counted, nothing is changed or refused (loom_ai_security_would_block_total). "
         "Guards "
         "outside of Loom are asked, but not about requests in which its own would have masked or refused something: "
         "those they would see as they are"},
    {.pattern = "security.unread",
     .type = list,
     .meaning =
         "families whose bodies pass though no guard can read them (files, audio, realtime sessions): names as in "
         "route.<name>.passthrough. Others are refused with 403 while a guard is on; where answers are looked at, all "
         "calls of a family that is not named"},
    {.pattern = "route.<name>.strip_html",
     .type = choice,
     .meaning = "of this route, in place of security.strip_html",
     .choices = "off|scripts|all"},
    {.pattern = "route.<name>.security",
     .type = boolean,
     .default_text = "on",
     .meaning = "off: what security.* says is not for this route"},
};

}  // namespace

std::span<const KeyRow> security_keys() { return rows; }

}  // namespace loom::app

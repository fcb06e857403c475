#include "injection_lexicon.h"

#include <algorithm>
#include <array>
#include <bit>

#include "loom/base/assert.h"

namespace loom::guard {

namespace {

struct Row {
    uint32_t meaning;
    std::string_view words;  // apart by blanks
};

/// English, German, French, Spanish, Italian, Portuguese, Dutch, Russian; folded. Endings stand beside each other,
/// since words are compared whole.
constexpr Row rows[] = {
    {m_ignore,
     "ignore ignores ignoring disregard disregarding forget forgetting neglect skip overlook dismiss discard abandon "
     "drop "
     "ignoriere ignorieren ignorier vergiss vergesst vergessen missachte verwirf oublie oubliez oublier ignorez "
     "ignorer "
     "negligez ignora ignorad ignorar olvida olvidad olvide olvidar descarta dimentica dimenticate ignorate ignorare "
     "trascura ignorem esqueca esquece esquecam desconsidere desconsidera negeer vergeet negeren "
     "игнорируй игнорируйте проигнорируй забудь забудьте отбрось"},
    {m_bypass,
     "bypass override overrides overriding circumvent disable deactivate remove evade escape break breach umgehe "
     "umgehen "
     "uberschreibe deaktiviere contourne contournez desactive omite anula anular sobrescribe aggira disattiva contorne "
     "anule omzeil overschrijf обойди отключи"},
    {m_prior,
     "previous prior preceding earlier above before foregoing former past existing original vorherigen vorigen "
     "bisherigen "
     "fruheren obigen vorangegangenen vorherige precedentes precedente precedents anterieures ci-dessus dessus "
     "anteriores "
     "anterior previas previos antes arriba precedenti precedente sopra acima vorige eerdere bovenstaande voorgaande "
     "предыдущие предыдущих прежние все-предыдущие выше"},
    {m_instruction,
     "instruction instructions prompt prompts directive directives programming systemprompt anweisung anweisungen "
     "vorgaben "
     "instruktionen consignes instrucciones indicaciones istruzioni instrucoes instructies opdrachten "
     "инструкции инструкций указания промпт"},
    {m_rule,
     "rule rules direction directions command commands order orders guideline guidelines guidance context regeln "
     "befehle reglas ordenes "
     "regole "
     "ordini regras ordens regels правила"},
    {m_limit,
     "restriction restrictions filter filters limitation limitations guideline guidelines safety guardrail guardrails "
     "policy policies ethics ethical moral morals constraint constraints censorship safeguards einschrankungen "
     "beschrankungen "
     "filtern sicherheit sicherheitsrichtlinien restrictions limites securite restricciones limites filtros seguridad "
     "restrizioni limiti filtri restricoes filtros beperkingen ограничений ограничения цензуры"},
    {m_all,
     "all any every everything each alle alles allen samtliche tout tous toutes toda todas todo todos tutto tutte "
     "tutti tudo все всё всех"},
    {m_your,
     "your yours deine deinen deiner ihre euer dein ton tes votre vos tu tus su sus tuo tue tuoi seu seus "
     "sua suas jouw je uw твои твой свои свой ваши"},
    {m_system,
     "system initial hidden secret original internal confidential base core developer starting versteckten geheimen "
     "systems systemanweisungen systeme caches initiales sistema ocultas secretas iniciales sistema nascoste iniziali "
     "ocultas iniciais systeem verborgen системный системные скрытые"},
    {m_reveal,
     "translate encode paraphrase reveal show print display output tell give expose leak disclose dump share write say "
     "list summarize recite "
     "zeige zeig nenne verrate gib offenbare montre montrez affiche revele revelez donne muestra muestrame revela dime "
     "imprime mostra mostrami rivela stampa mostre revele imprima diga toon onthul geef покажи раскрой выведи напиши"},
    {m_repeat,
     "repeat echo copy reproduce quote verbatim wiederhole repete repetez repite ripeti repita herhaal повтори"},
    {m_word,
     "word words text everything content conversation message paragraph worter text mots texte palabras texto "
     "parole testo palavras woorden слова текст"},
    {m_follow,
     "follow following apply applies attention obey comply adhere listen respect befolge folge beachte suis suivez "
     "respecte sigas sigue obedezcas "
     "obedece segui seguire siga obedeca volg следуй соблюдай"},
    {m_not,
     "not dont never stop no cease nicht nie kein keine ne pas jamais no nunca non mai nao nunca niet не никогда"},
    {m_new,
     "new updated real actual following replacement neue neuen nouvelles nouvelle nuevas nuevos nueva nuove nuova "
     "novas novos nova nieuwe новые новая"},
    {m_you, "you youre du sie tu vous usted voce jij ты вы"},
    {m_are, "are are bist sind es etes eres sois sei e bent"},
    {m_now, "now henceforth onwards forth jetzt ab nun maintenant desormais ahora ora adesso agora nu теперь сейчас"},
    {m_act,
     "act pretend roleplay behave simulate play respond answer become imagine tu spiele verhalte agis joue fais "
     "actua finge comportate simula agisci comportati fingi aja finja doe gedraag притворись действуй представь"},
    {m_free,
     "unrestricted unfiltered uncensored jailbroken jailbreak unlimited unbound unchained dan aim stan devmode evil "
     "amoral "
     "unethical lawless unaligned rogue uneingeschrankte uneingeschrankt ungefiltert unzensiert illimite debride "
     "sans-limite irrestricto irrestringida irrestrita senza-limiti onbeperkt"},
    {m_without, "without free ignoring lacking beyond ohne sans sin senza sem zonder без"},
    {m_mode, "mode modus modo modalita режим"},
    {m_developer,
     "developer debug admin administrator root sudo god maintenance dev entwickler developpeur "
     "desarrollador sviluppatore desenvolvedor ontwikkelaar разработчика"},
    {m_void,
     "void cancelled canceled revoked obsolete invalid expired superseded lifted nullified overridden "
     "ungultig aufgehoben annulees annule canceladas anuladas annullate"},
    {m_told, "told given said instructed received gesagt gegeben dit dijeron dicho detto disse dito verteld сказали"},
    {m_anything, "anything whatever"},
    {m_do, "do can"},
    {m_what, "what which was wie quelles quelle cuales que quali quais wat какие"},
    {m_about,
     "explain example examples means meaning detect detecting detection defend defense prevent preventing prevention "
     "article paper blog research vulnerability vulnerabilities owasp attack attacks attacker injection classifier "
     "dataset "
     "security guardrails tutorial documentation protect protecting malicious grammar sentence phrase quote quoted "
     "novel story lecture "
     "unit "
     "test tests mitigate mitigation erklare beispiel expliquer exemple ejemplo esempio"},
};

constexpr InjectionRule rules[] = {
    {InjectionFamily::override_, "ignore_prior_instructions", 70, 9, {m_ignore, m_prior, m_instruction | m_rule}},
    {InjectionFamily::override_, "ignore_instructions_prior", 70, 9, {m_ignore, m_instruction | m_rule, m_prior}},
    {InjectionFamily::override_, "ignore_all_instructions", 60, 5, {m_ignore, m_all, m_instruction}},
    {InjectionFamily::override_, "ignore_all_rules", 40, 5, {m_ignore, m_all | m_your, m_rule}},
    {InjectionFamily::override_, "ignore_your_instructions", 60, 4, {m_ignore, m_your, m_instruction}},
    {InjectionFamily::override_, "ignore_system_instructions", 60, 9, {m_ignore, m_system, m_instruction}},
    {InjectionFamily::override_, "ignore_what_was_told", 60, 8, {m_ignore, m_all, m_told}},
    {InjectionFamily::override_, "ignore_everything_before", 60, 6, {m_ignore, m_all, m_prior}},
    {InjectionFamily::override_, "bypass_limits", 35, 5, {m_bypass, m_limit}},
    {InjectionFamily::override_, "bypass_your_limits", 30, 5, {m_bypass, m_your, m_limit}},
    {InjectionFamily::override_, "bypass_instructions", 60, 6, {m_bypass, m_system | m_prior, m_instruction | m_rule}},
    {InjectionFamily::override_, "ignore_your_limits", 50, 5, {m_ignore, m_your | m_all, m_limit}},
    {InjectionFamily::override_,
     "do_not_follow_instructions",
     60,
     8,
     {m_not, m_follow, m_prior | m_your | m_all | m_system, m_instruction | m_rule}},
    {InjectionFamily::override_,
     "stop_following_what_was_told",
     60,
     9,
     {m_not, m_follow, m_instruction | m_rule, m_prior | m_told}},
    {InjectionFamily::override_,
     "instructions_do_not_apply",
     60,
     7,
     {m_prior | m_your, m_instruction | m_rule, m_not, m_follow}},
    {InjectionFamily::override_, "instructions_are_void", 60, 8, {m_prior, m_instruction | m_rule, m_void}},
    {InjectionFamily::override_, "new_instructions", 25, 4, {m_your, m_new, m_instruction | m_system}},
    {InjectionFamily::override_, "new_instructions_now", 20, 8, {m_now, m_new, m_instruction}},
    {InjectionFamily::override_, "from_now_on_follow", 30, 8, {m_now, m_follow, m_new | m_instruction}},
    {InjectionFamily::role, "you_are_now", 25, 3, {m_you, m_are, m_now}},
    {InjectionFamily::role, "now_you_are", 25, 4, {m_now, m_you, m_are}},
    {InjectionFamily::role, "you_are_unrestricted", 45, 8, {m_you, m_free}},
    {InjectionFamily::role, "act_unrestricted", 60, 8, {m_act, m_free}},
    {InjectionFamily::role, "without_limits", 40, 4, {m_without | m_not, m_limit}},
    {InjectionFamily::role, "act_without_limits", 60, 14, {m_act | m_you, m_without | m_not, m_limit}},
    {InjectionFamily::role, "do_anything_now", 70, 3, {m_do, m_anything, m_now}},
    {InjectionFamily::role, "developer_mode", 45, 2, {m_developer, m_mode}},
    {InjectionFamily::role, "now_developer_mode", 25, 8, {m_you | m_now, m_developer, m_mode}},
    {InjectionFamily::role, "unrestricted_mode", 60, 3, {m_free, m_mode}},
    {InjectionFamily::role, "mode_unrestricted", 45, 3, {m_mode, m_free}},
    {InjectionFamily::role, "no_longer_bound", 45, 9, {m_you, m_not, m_follow, m_limit | m_instruction | m_rule}},
    {InjectionFamily::extraction, "reveal_system_prompt", 65, 7, {m_reveal | m_repeat, m_system, m_instruction}},
    {InjectionFamily::extraction, "reveal_system_message", 60, 8, {m_reveal | m_repeat, m_your, m_system, m_word}},
    {InjectionFamily::extraction, "reveal_your_instructions", 50, 4, {m_reveal | m_repeat, m_your, m_instruction}},
    {InjectionFamily::extraction, "reveal_prior_instructions", 55, 6, {m_reveal | m_repeat, m_prior, m_instruction}},
    {InjectionFamily::extraction, "reveal_instructions_prior", 55, 6, {m_reveal | m_repeat, m_instruction, m_prior}},
    {InjectionFamily::extraction, "what_is_your_system_prompt", 60, 5, {m_what, m_your, m_system, m_instruction}},
    {InjectionFamily::extraction, "what_were_you_told", 60, 7, {m_what, m_instruction, m_you, m_told}},
    {InjectionFamily::extraction, "repeat_words_above", 65, 6, {m_repeat | m_reveal, m_word | m_all, m_prior}},
};

/// Marks of chat templates: Llama's, ChatML, Gemma's, Mistral's, Alpaca's, Claude's old one.
constexpr InjectionMark marks[] = {
    {InjectionFamily::delimiter, "chatml", 65, "<|im_start|>"},
    {InjectionFamily::delimiter, "chatml", 65, "<|im_end|>"},
    {InjectionFamily::delimiter, "end_of_text", 60, "<|endoftext|>"},
    {InjectionFamily::delimiter, "special_token", 60, "<|system|>"},
    {InjectionFamily::delimiter, "special_token", 60, "<|assistant|>"},
    {InjectionFamily::delimiter, "llama_header", 65, "<|start_header_id|>"},
    {InjectionFamily::delimiter, "llama_header", 65, "<|eot_id|>"},
    {InjectionFamily::delimiter, "llama_system", 65, "<<SYS>>"},
    {InjectionFamily::delimiter, "llama_system", 65, "<</SYS>>"},
    {InjectionFamily::delimiter, "inst", 60, "[/INST]"},
    {InjectionFamily::delimiter, "turn", 60, "<start_of_turn>"},
    {InjectionFamily::delimiter, "turn", 60, "<end_of_turn>"},
    {InjectionFamily::delimiter, "system_tag", 40, "</system>"},
    {InjectionFamily::delimiter, "system_tag_open", 25, "<system>"},
    {InjectionFamily::delimiter, "system_tag", 40, "[system](#"},
    {InjectionFamily::delimiter, "system_heading", 40, "### System:"},
    {InjectionFamily::delimiter, "human_turn", 40, "\n\nHuman:"},
    {InjectionFamily::delimiter, "system_turn", 40, "\nSystem: "},
    {InjectionFamily::delimiter, "system_turn", 40, "\nSYSTEM: "},
    // Scripts without blanks between words: the usual wordings as they are.
    {InjectionFamily::override_, "ignore_zh", 70, "\xe5\xbf\xbd\xe7\x95\xa5\xe4\xb9\x8b\xe5\x89\x8d"},
    {InjectionFamily::override_, "ignore_zh", 70, "\xe5\xbf\xbd\xe7\x95\xa5\xe4\xbb\xa5\xe4\xb8\x8a"},
    {InjectionFamily::override_, "ignore_zh", 70, "\xe5\xbf\xbd\xe7\x95\xa5\xe6\x89\x80\xe6\x9c\x89"},
    {InjectionFamily::override_, "ignore_zh", 70, "\xe6\x97\xa0\xe8\xa7\x86\xe4\xb9\x8b\xe5\x89\x8d"},
    {InjectionFamily::extraction, "prompt_zh", 60, "\xe7\xb3\xbb\xe7\xbb\x9f\xe6\x8f\x90\xe7\xa4\xba\xe8\xaf\x8d"},
    {InjectionFamily::override_, "ignore_ja", 70, "\xe6\x8c\x87\xe7\xa4\xba\xe3\x82\x92\xe7\x84\xa1\xe8\xa6\x96"},
    {InjectionFamily::override_, "ignore_ja", 70, "\xe5\x91\xbd\xe4\xbb\xa4\xe3\x82\x92\xe7\x84\xa1\xe8\xa6\x96"},
};

struct Slot {
    uint64_t hash = 0;
    uint32_t meaning = 0;
};
constexpr size_t slot_count = 2048;

/// FNV-1a (Fowler, Noll, Vo), folded: words are short, and the table is made when the program is.
constexpr uint64_t hash_of(std::string_view word) noexcept {
    uint64_t hash = 0xcbf29ce484222325;
    for (char c : word) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    return (hash ^ hash >> 29) | 1;
}

std::array<Slot, slot_count> build() noexcept {
    std::array<Slot, slot_count> table{};
    size_t count = 0;
    for (const Row& row : rows) {
        std::string_view left = row.words;
        while (!left.empty()) {
            const size_t end = std::min(left.find(' '), left.size());
            const uint64_t hash = hash_of(left.substr(0, end));
            size_t at = hash % slot_count;
            while (table[at].hash != 0 && table[at].hash != hash) at = (at + 1) % slot_count;
            count += table[at].hash == 0;
            table[at] = {hash, table[at].meaning | row.meaning};
            left.remove_prefix(std::min(end + 1, left.size()));
        }
    }
    LOOM_ASSERT(count < slot_count / 2);
    return table;
}

const std::array<Slot, slot_count> lexicon = build();

static_assert(std::size(rules) <= 64);
const auto rules_by_last_step = [] {
    std::array<uint64_t, 32> endings{};
    for (size_t i = 0; i < std::size(rules); ++i) {
        size_t step = InjectionRule::steps_max;
        while (rules[i].steps[step - 1] == 0) step -= 1;
        for (size_t bit = 0; bit < endings.size(); ++bit)
            if ((rules[i].steps[step - 1] >> bit & 1) != 0) endings[bit] |= uint64_t{1} << i;
    }
    return endings;
}();

}  // namespace

const std::array<uint32_t, size_t{1} << 10> word_lengths = [] {
    std::array<uint32_t, size_t{1} << 10> lengths{};
    for (const Row& row : rows) {
        std::string_view left = row.words;
        while (!left.empty()) {
            const std::string_view word = left.substr(0, left.find(' '));
            const size_t at = beginning_of(word[0], word.size() > 1 ? word[1] : '\0');
            lengths[at] |= uint32_t{1} << std::min<size_t>(word.size(), 31);
            left.remove_prefix(std::min(word.size() + 1, left.size()));
        }
    }
    return lengths;
}();

uint32_t meaning_of(std::string_view word) noexcept {
    if (word.empty() || !may_mean(word[0], word.size() > 1 ? word[1] : 0, word.size())) return 0;
    const uint64_t hash = hash_of(word);
    for (size_t at = hash % slot_count; lexicon[at].hash != 0; at = (at + 1) % slot_count)
        if (lexicon[at].hash == hash) return lexicon[at].meaning;
    return 0;
}

std::span<const InjectionRule> injection_rules() noexcept { return rules; }
uint64_t injection_rules_ending(uint32_t meaning) noexcept {
    uint64_t all = 0;
    for (; meaning != 0; meaning &= meaning - 1)
        all |= rules_by_last_step[static_cast<size_t>(std::countr_zero(meaning))];
    return all;
}
std::span<const InjectionMark> injection_marks() noexcept { return marks; }

std::string_view injection_family_name(InjectionFamily family) noexcept {
    switch (family) {
        case InjectionFamily::override_: return "override";
        case InjectionFamily::role: return "role";
        case InjectionFamily::delimiter: return "delimiter";
        case InjectionFamily::extraction: return "extraction";
    }
    return "";
}

}  // namespace loom::guard

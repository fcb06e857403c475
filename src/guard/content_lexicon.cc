#include "content_lexicon.h"

#include <array>
#include <bit>

namespace loom::guard {

namespace {

/// English, and the plainest words of German, French, Spanish, Italian and Portuguese; folded. Endings stand beside
/// each other, since words are compared whole.
constexpr WordTable::Row rows[] = {
    {c_kill,
     "kill kills killing murder murdering assassinate strangle suffocate behead stab shoot drown slaughter umbringen "
     "toten ermorden erschiessen erstechen vergiften tuer assassiner etrangler matar asesinar envenenar uccidere "
     "ammazzare avvelenare assassinar"},
    {c_hurt,
     "hurt hurting harm harming punch torture torturing kidnap kidnapping rape raping maim cripple injure drug "
     "verprugeln verletzen foltern entfuhren frapper torturer kidnapper golpear torturar secuestrar picchiare "
     "torturare rapire machucar sequestrar"},
    {c_you | c_person, "you youre yourself dich toi vous te ti"},
    {c_person,
     "him her them someone somebody people everyone everybody wife husband girlfriend boyfriend ex neighbor neighbour "
     "boss teacher classmate classmates coworker coworkers roommate mother father brother sister family families "
     "crowd person persons man woman men women students jemanden ihn leute menschen nachbarn nachbar chef frau mann "
     "quelqu'un quelquun gens voisin patron femme mari alguien gente vecino jefe esposa marido qualcuno vicino capo "
     "moglie alguem vizinho chefe"},
    {c_self, "myself mich moimeme"},
    {c_life, "life leben vie vida vita"},
    {c_end,
     "end ending cut cutting hang hanging starve starving overdose overdosing beenden ritzen aufhangen finir pendre "
     "terminar acabar ahorcar finire impiccare enforcar"},
    {c_suicide,
     "suicide suicidal selfharm selbstmord suizid suicider suicidarme suicidio suicidarmi suicidarse thinspo proana"},
    {c_want,
     "want wanna gonna going plan planning intend undetected untraceable secretly caught mochte werde unbemerkt veux "
     "vais voudrais quiero voy quisiera voglio vorrei quero vou"},
    {c_should,
     "should must deserve deserves deserved sollte sollten musst devraient doivent deben merecen devono devem"},
    {c_how,
     "how way ways guide instructions steps recipe tutorial method methods easiest painless where wie anleitung rezept "
     "comment recette etapes ou como receta pasos donde come ricetta passi dove receita passos onde"},
    {c_make,
     "make making build building construct assemble cook cooking synthesize synthesise synthesis produce manufacture "
     "bauen baue herstellen basteln kochen fabriquer construire cuisiner hacer fabricar construir cocinar costruire "
     "fabbricare cucinare fazer"},
    {c_weapon,
     "bomb bombs explosive explosives grenade grenades molotov ied pipebomb napalm thermite silencer ricin sarin "
     "anthrax detonator ghostgun bombe bomben sprengstoff schalldampfer bombas explosivos explosif explosifs granada "
     "bomba esplosivo esplosivi"},
    {c_drug,
     "meth methamphetamine heroin cocaine fentanyl mdma ecstasy ghb kokain metanfetamina heroina cocaina cocaine "
     "rohypnol"},
    {c_trade,
     "buy buying sell selling purchase smuggle smuggling kaufen verkaufen schmuggeln acheter vendre comprar vender "
     "comprare vendere"},
    {c_steal,
     "steal stealing stolen counterfeit counterfeiting forge forging launder laundering shoplift stehlen falschen "
     "gefalschte waschen voler falsifier contrefaire blanchir robar falsificar lavar rubare falsificare riciclare "
     "roubar"},
    {c_paper,
     "card cards passport passports identity identities money cvv banknotes wallet ausweis pass kreditkarte geld "
     "carte cartes passeport argent tarjeta tarjetas pasaporte dinero carta passaporto denaro soldi cartao dinheiro"},
    {c_hack,
     "hack hacking crack cracking phish phishing bruteforce ddos hacken knacken pirater hackear piratear "
     "hackerare"},
    {c_account,
     "account accounts password passwords wifi email emails phone facebook instagram gmail bank website konto konten "
     "passwort handy compte comptes telephone cuenta cuentas contrasena telefono conto senha conta"},
    {c_malware, "ransomware malware keylogger keyloggers spyware botnet rootkit rancongiciel"},
    {c_group,
     "jews muslims christians blacks whites asians mexicans africans arabs indians immigrants refugees foreigners gays "
     "lesbians homosexuals trans transgender women disabled gypsies juden muslime auslander fluchtlinge schwule "
     "zigeuner frauen juifs musulmans immigres refugies homosexuels judios musulmanes inmigrantes gitanos ebrei "
     "musulmani immigrati zingari judeus muculmanos imigrantes"},
    {c_inferior,
     "vermin subhuman subhumans parasites scum filth inferior cockroaches degenerates ungeziefer untermenschen "
     "abschaum parasiten minderwertig vermine soushommes parasitos escoria inferiores parassiti feccia"},
    {c_expel,
     "exterminate exterminated eradicate eradicated gas gassed deport deported lynch lynched annihilate hate despise "
     "vernichten vergasen vergast ausrotten hasse exterminer gazer deteste exterminar gasear odio odiamos sterminare"},
    {c_all, "all every each the alle die tous les todos los tutti gli os"},
    {c_slur,
     "nigger niggers faggot faggots kike kikes chink chinks spic spics tranny trannies raghead ragheads wetback "
     "wetbacks kanake kanaken"},
    {c_sex,
     "sex sexual erotic naked nude nudes undressed porn porno erotisch nackt erotique nue sexo desnuda sesso "
     "nuda erotico nua"},
    {c_explicit,
     "blowjob blowjobs cumshot deepthroat gangbang creampie handjob hentai fisting dildo bukkake fellation mamada "
     "pompino boquete"},
    {c_story,
     "write story scene roleplay describe generate picture pictures image images video videos fanfic fanfiction "
     "schreibe geschichte bild bilder ecris histoire image escribe historia imagen scrivi storia immagine escreva"},
    {c_minor,
     "child children kid kids minor minors underage toddler toddlers preteen preteens schoolgirl schoolgirls kinder "
     "minderjahrige enfant enfants mineure fillette nina ninas menores bambina bambini crianca criancas"},
    {c_insult,
     "stupid idiot idiots moron morons loser losers worthless pathetic ugly bitch bitches whore slut sluts bastard "
     "asshole assholes retard retarded scumbag dumbass cunt dummkopf hassliche hure schlampe arschloch connard "
     "connasse salope pute idiota imbecil estupido puta zorra stronzo troia puttana"},
    {c_die, "die dies dead sterben stirb mourir creve morir muerete morire crepa morrer morra"},
    {c_about,
     "prevent prevents prevention preventing report reports reporting history historical research study studies "
     "statistics awareness hotline helpline therapy therapist treatment support recover recovery victim victims "
     "survivor survivors law laws policy policies moderate moderation detect detecting protect protecting protection "
     "novel fiction movie film article news documentary essay charity avoid signs warning safety education lecture "
     "museum insurance bath game vorbeugen verhindern hilfe forschung opfer gesetz versicherung prevenir aide "
     "recherche victimes loi ayuda investigacion victimas ley prevenire aiuto ricerca vittime legge"},
};

constexpr ContentRule rules[] = {
    {ContentCategory::violence, 50, 5, {c_how, c_kill, c_person}},
    {ContentCategory::violence, 75, 5, {c_want, c_kill, c_person}},
    {ContentCategory::violence, 75, 8, {c_kill, c_person, c_want}},
    {ContentCategory::violence, 50, 5, {c_how, c_hurt, c_person}},
    {ContentCategory::violence, 65, 5, {c_want, c_hurt, c_person}},
    {ContentCategory::violence, 75, 6, {c_how, c_make, c_weapon}},
    {ContentCategory::violence, 65, 4, {c_make, c_weapon}},
    {ContentCategory::self_harm, 90, 4, {c_want, c_kill | c_hurt | c_end, c_self}},
    {ContentCategory::self_harm, 90, 5, {c_how, c_kill | c_hurt | c_end, c_self}},
    {ContentCategory::self_harm, 90, 4, {c_want, c_self, c_kill | c_hurt | c_end}},
    {ContentCategory::self_harm, 70, 1, {c_kill, c_self}},
    {ContentCategory::self_harm, 85, 1, {c_self, c_kill}},
    {ContentCategory::self_harm, 85, 5, {c_want, c_end, c_life}},
    {ContentCategory::self_harm, 85, 4, {c_want, c_life, c_end}},
    {ContentCategory::self_harm, 80, 5, {c_how | c_want, c_suicide}},
    {ContentCategory::self_harm, 65, 2, {c_want, c_die}},
    {ContentCategory::self_harm, 40, 0, {c_suicide}},
    {ContentCategory::sexual, 60, 0, {c_explicit}},
    {ContentCategory::sexual, 60, 7, {c_story, c_sex}},
    {ContentCategory::sexual, 60, 3, {c_sex, c_story}},
    {ContentCategory::sexual, 100, 8, {c_story, c_minor, c_sex | c_explicit}, true},
    {ContentCategory::sexual, 100, 8, {c_story, c_sex | c_explicit, c_minor}, true},
    {ContentCategory::sexual, 100, 2, {c_minor, c_explicit}, true},
    {ContentCategory::hate, 65, 0, {c_slur}},
    {ContentCategory::hate, 80, 5, {c_group, c_inferior}},
    {ContentCategory::hate, 70, 3, {c_inferior, c_group}},
    {ContentCategory::hate, 90, 3, {c_kill | c_expel, c_all, c_group}},
    {ContentCategory::hate, 65, 2, {c_expel, c_group}},
    {ContentCategory::hate, 85, 5, {c_group, c_should, c_kill | c_expel | c_die}},
    {ContentCategory::harassment, 60, 4, {c_you, c_insult}},
    {ContentCategory::harassment, 60, 1, {c_insult, c_insult}},
    {ContentCategory::harassment, 90, 3, {c_you, c_should, c_die | c_kill}},
    {ContentCategory::illegal, 80, 6, {c_how, c_make, c_drug}},
    {ContentCategory::illegal, 60, 4, {c_make, c_drug}},
    {ContentCategory::illegal, 60, 5, {c_how | c_want, c_trade, c_drug}},
    {ContentCategory::illegal, 70, 6, {c_how | c_want, c_steal, c_paper}},
    {ContentCategory::illegal, 65, 5, {c_trade | c_make, c_steal, c_paper}},
    {ContentCategory::illegal, 65, 7, {c_how, c_hack, c_account | c_person}},
    {ContentCategory::illegal, 60, 4, {c_want, c_hack, c_account}},
    {ContentCategory::illegal, 70, 5, {c_make | c_story, c_malware}},
};
static_assert(std::size(rules) <= 64);

const auto rules_by_last_step = [] {
    std::array<uint64_t, 32> endings{};
    for (size_t i = 0; i < std::size(rules); ++i) {
        size_t step = ContentRule::steps_max;
        while (rules[i].steps[step - 1] == 0) step -= 1;
        for (size_t bit = 0; bit < endings.size(); ++bit)
            if ((rules[i].steps[step - 1] >> bit & 1) != 0) endings[bit] |= uint64_t{1} << i;
    }
    return endings;
}();

}  // namespace

const WordTable content_words{rows};

std::span<const ContentRule> content_rules() noexcept { return rules; }

uint64_t content_rules_ending(uint32_t meaning) noexcept {
    uint64_t all = 0;
    for (; meaning != 0; meaning &= meaning - 1)
        all |= rules_by_last_step[static_cast<size_t>(std::countr_zero(meaning))];
    return all;
}

}  // namespace loom::guard

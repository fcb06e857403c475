// What words are about: so that a veto can say why. Nothing depends on it but the name of the reason, and the weight of
// a word in a vector.
#include "lexicon.h"

namespace loom::cache {

namespace {

using enum Language;
using enum Role;

constexpr LexiconRow topics[] = {
    {any, same, 0, VetoReason::date,
     "january february march april june july august september october november december jan feb mar apr jun jul aug "
     "sept oct nov dec "
     "monday tuesday wednesday thursday friday saturday sunday today tomorrow yesterday tonight morning afternoon "
     "evening night noon "
     "midnight weekend spring summer autumn winter sunrise sunset week month year weeks months years day days decade "
     "century quarter "
     "semester am pm ago last next "
     "januar februar märz mai juni juli oktober dezember montag dienstag mittwoch donnerstag freitag samstag sonntag "
     "heute morgen "
     "gestern woche monat jahr janvier février mars avril juin juillet août septembre octobre novembre décembre lundi "
     "mardi mercredi "
     "jeudi vendredi samedi dimanche aujourd hui demain hier semaine mois année siècle enero febrero marzo abril mayo "
     "junio julio "
     "agosto septiembre octubre noviembre diciembre lunes martes miércoles jueves viernes sábado domingo hoy mañana "
     "ayer semana mes año "
     "siglo gennaio febbraio aprile maggio giugno luglio settembre ottobre dicembre lunedì martedì mercoledì giovedì "
     "venerdì sabato "
     "domenica oggi domani ieri janeiro fevereiro março maio junho julho setembro outubro dezembro hoje amanhã ontem "
     "январе феврале марте апреле мае июне июле августе сентябре октябре ноябре декабре сегодня завтра вчера"},
    {any, same, 0, VetoReason::language,
     "english french german spanish italian portuguese dutch polish russian ukrainian chinese mandarin cantonese "
     "japanese korean arabic "
     "hebrew hindi bengali urdu turkish greek latin swedish norwegian danish finnish czech hungarian romanian "
     "vietnamese thai swahili "
     "englisch deutsch französisch spanisch italienisch anglais français allemand espagnol italien inglés francés "
     "alemán español "
     "italiano inglese francese tedesco inglês francês alemão espanhol"},
    {any, same, 0, VetoReason::format,
     "json yaml xml csv html markdown latex table list bullet bullets bulleted numbered paragraph paragraphs sentence "
     "sentences line lines "
     "page pages essay poem haiku limerick sonnet song story email letter tweet slogan outline diagram brief briefly "
     "detail detailed "
     "short long formal informal simple technical concise verbose rhyme prose summary"},
    {any, same, 0, VetoReason::comparative,
     "more most less least fewer fewest better best worse worst higher highest lower lowest longer longest shorter "
     "shortest older oldest "
     "younger youngest smaller smallest stronger weaker richer richest poorer poorest heavier lighter newer newest "
     "slower slowest over "
     "under above below only mehr weniger besser schlechter größer kleiner schneller langsamer plus moins mieux pire "
     "más menos mejor "
     "peor mayor menor più meno migliore peggiore mais melhor pior 最 更"},
    {any, same, 0, VetoReason::negation, "except excluding exclude non 不 没 无 非 别 cannot nichts rien nadie niente"},
    {english, common, 0, VetoReason::word,
     "best good new way thing things people time work use make get go want need know think like see find work works "
     "take give need look "
     "come say ask tell try start help idea ideas tip tips reason reasons question questions answer answers problem "
     "problems kind type "
     "part place case point number great important different possible much many very lot long little right first last "
     "own same"},
};

constexpr std::string_view antonyms[] = {
    "enable/disable activate/deactivate start/stop begin/end begin/finish increase/decrease allow/deny allow/block "
    "allow/forbid permit/forbid "
    "before/after max/min maximum/minimum encrypt/decrypt buy/sell open/close open/shut lock/unlock mute/unmute "
    "upload/download "
    "install/uninstall import/export add/remove add/delete add/subtract create/delete create/destroy create/drop "
    "insert/delete show/hide "
    "accept/reject accept/decline accept/refuse approve/reject grant/revoke push/pull send/receive give/take "
    "lend/borrow win/lose gain/lose "
    "find/lose save/spend save/delete earn/spend rise/fall raise/lower grow/shrink expand/collapse expand/shrink "
    "widen/narrow include/exclude "
    "connect/disconnect attach/detach join/leave enter/exit enter/leave arrive/depart login/logout follow/unfollow "
    "like/dislike love/hate "
    "agree/disagree support/oppose attack/defend protect/attack subscribe/unsubscribe archive/unarchive "
    "freeze/unfreeze freeze/thaw "
    "heat/cool warm/cool warm/cold hot/cold boil/freeze melt/freeze tighten/loosen zip/unzip compress/decompress "
    "compress/extract pack/unpack "
    "load/unload mount/unmount bind/unbind wrap/unwrap fold/unfold check/uncheck select/deselect do/undo undo/redo "
    "hire/fire employ/dismiss "
    "build/destroy build/demolish assemble/disassemble strengthen/weaken improve/worsen simplify/complicate speed/slow "
    "accelerate/decelerate "
    "advance/retreat ascend/descend ascending/descending climb/descend up/down in/out on/off over/under above/below "
    "left/right north/south "
    "east/west top/bottom front/back inside/outside inner/outer internal/external indoor/outdoor public/private "
    "local/remote local/global "
    "input/output source/target sender/receiver client/server parent/child buyer/seller teacher/student doctor/patient "
    "employer/employee "
    "landlord/tenant husband/wife man/woman men/women boy/girl male/female father/mother son/daughter brother/sister "
    "king/queen uncle/aunt "
    "big/small large/small tall/short long/short high/low deep/shallow wide/narrow thick/thin heavy/light fast/slow "
    "strong/weak hard/soft "
    "hard/easy difficult/easy rich/poor cheap/expensive old/new old/young good/bad best/worst better/worse more/less "
    "most/least more/fewer "
    "bigger/smaller larger/smaller biggest/smallest largest/smallest taller/shorter tallest/shortest longer/shorter "
    "longest/shortest "
    "higher/lower highest/lowest faster/slower fastest/slowest older/younger oldest/youngest richest/poorest "
    "cheaper/costlier hottest/coldest "
    "full/empty true/false right/wrong correct/wrong correct/incorrect yes/no positive/negative plus/minus true/untrue "
    "legal/illegal "
    "safe/dangerous safe/unsafe healthy/sick alive/dead living/dead awake/asleep day/night summer/winter "
    "sunrise/sunset morning/evening "
    "early/late first/last next/previous past/future ancient/modern always/never all/none everything/nothing "
    "everyone/nobody many/few "
    "much/little major/minor majority/minority plural/singular odd/even active/passive active/inactive sync/async "
    "synchronous/asynchronous "
    "static/dynamic mutable/immutable signed/unsigned visible/invisible known/unknown sweet/sour sweet/bitter wet/dry "
    "clean/dirty "
    "dark/light bright/dark loud/quiet noisy/quiet happy/sad success/failure succeed/fail pass/fail profit/loss "
    "gain/loss income/expense "
    "asset/liability debit/credit supply/demand deposit/withdraw deposit/withdrawal advantage/disadvantage pro/con "
    "cause/effect cause/cure "
    "question/answer problem/solution theory/practice war/peace friend/enemy ally/enemy victory/defeat birth/death "
    "beginning/end "
    "entrance/exit arrival/departure import/exports legalized/abolished introduced/abolished optimist/pessimist "
    "formal/informal "
    "hyperglycemia/hypoglycemia hypertension/hypotension convex/concave acid/base liquid/solid wild/tame "
    "guilty/innocent rural/urban "
    "vertical/horizontal clockwise/counterclockwise front_end/back_end offline/online analog/digital manual/automatic "
    "optional/required "
    "optional/mandatory voluntary/compulsory temporary/permanent fresh/stale raw/cooked natural/artificial real/fake "
    "simple/complex "
    "bull/bear long_term/short_term both/neither agree/refuse smile/frown laugh/cry remember/forget teach/learn "
    "speak/listen read/write "
    "encode/decode serialize/deserialize allocate/free acquire/release commit/rollback merge/split together/apart "
    "stretch/contract "
    "inhale/exhale push/pop enqueue/dequeue attract/repel absorb/emit evaporate/condense",
    // German
    "aktivieren/deaktivieren einschalten/ausschalten ein/aus an/aus auf/zu öffnen/schließen öffne/schließe "
    "kaufen/verkaufen kaufe/verkaufe "
    "zunehmen/abnehmen erhöhen/senken erhöhen/verringern starten/stoppen beginnen/enden erlauben/verbieten "
    "hochladen/herunterladen "
    "installieren/deinstallieren verschlüsseln/entschlüsseln hinzufügen/entfernen anzeigen/ausblenden "
    "einblenden/ausblenden anmelden/abmelden "
    "vor/nach groß/klein größer/kleiner schnell/langsam schneller/langsamer gut/schlecht besser/schlechter "
    "hoch/niedrig alt/jung alt/neu "
    "billig/teuer warm/kalt heiß/kalt leicht/schwer stark/schwach reich/arm mehr/weniger vorteile/nachteile "
    "vorteil/nachteil gewinnen/verlieren "
    "immer/nie giftig/ungiftig links/rechts oben/unten innen/außen",
    // French
    "activer/désactiver ouvrir/fermer acheter/vendre augmenter/diminuer augmenter/réduire augmenter/baisser "
    "allumer/éteindre démarrer/arrêter "
    "commencer/finir autoriser/interdire autoriser/bloquer ajouter/supprimer ajouter/retirer afficher/masquer "
    "installer/désinstaller "
    "chiffrer/déchiffrer avant/après grand/petit rapide/lent bon/mauvais meilleur/pire plus/moins haut/bas "
    "cher/économique chaud/froid "
    "fort/faible riche/pauvre avantages/inconvénients avantage/inconvénient gagner/perdre prendre/perdre "
    "toujours/jamais gauche/droite "
    "maximum/minimum entrée/sortie connecter/déconnecter monter/descendre",
    // Spanish
    "activar/desactivar activo/desactivo abrir/cerrar comprar/vender aumentar/disminuir aumentar/reducir subir/bajar "
    "encender/apagar "
    "iniciar/detener empezar/terminar permitir/bloquear permitir/prohibir añadir/eliminar agregar/quitar "
    "mostrar/ocultar instalar/desinstalar "
    "cifrar/descifrar antes/después grande/pequeño rápido/lento bueno/malo mejor/peor más/menos alto/bajo caro/barato "
    "caliente/frío "
    "fuerte/débil rico/pobre ventajas/desventajas ganar/perder siempre/nunca izquierda/derecha máximo/mínimo "
    "entrada/salida mayor/menor",
    // Italian
    "attivare/disattivare attivo/disattivo aprire/chiudere comprare/vendere aumentare/diminuire aumentare/ridurre "
    "accendere/spegnere "
    "accende/spegne avviare/fermare iniziare/finire permettere/bloccare aggiungere/rimuovere mostrare/nascondere "
    "installare/disinstallare "
    "prima/dopo grande/piccolo veloce/lento buono/cattivo migliore/peggiore più/meno alto/basso caldo/freddo "
    "forte/debole ricco/povero "
    "vantaggi/svantaggi vincere/perdere sempre/mai sinistra/destra massimo/minimo",
    // Portuguese
    "ativar/desativar abrir/fechar comprar/vender aumentar/diminuir aumentar/reduzir ligar/desligar iniciar/parar "
    "começar/terminar "
    "permitir/bloquear adicionar/remover mostrar/esconder instalar/desinstalar antes/depois grande/pequeno "
    "rápido/lento bom/mau "
    "melhor/pior mais/menos alto/baixo quente/frio forte/fraco rico/pobre vantagens/desvantagens ganhar/perder "
    "sempre/nunca "
    "esquerda/direita máximo/mínimo",
    // Dutch
    "aan/uit open/dicht open/sluit openen/sluiten kopen/verkopen verhogen/verlagen starten/stoppen toestaan/blokkeren "
    "inschakelen/uitschakelen "
    "toevoegen/verwijderen groot/klein snel/langzaam goed/slecht beter/slechter meer/minder hoog/laag warm/koud "
    "voor/na altijd/nooit "
    "voordelen/nadelen winnen/verliezen aankomen/afvallen",
    // Russian, Polish, Turkish, Swedish, Chinese, Japanese
    "включить/выключить открыть/закрыть купить/продать увеличить/уменьшить начать/закончить добавить/удалить "
    "разрешить/запретить "
    "установить/удалить до/после большой/маленький быстрый/медленный хороший/плохой больше/меньше лучше/хуже "
    "всегда/никогда "
    "włączyć/wyłączyć otworzyć/zamknąć kupić/sprzedać zwiększyć/zmniejszyć dodać/usunąć przed/po duży/mały "
    "açılır/kapatılır açarım/kapatırım aç/kapat artır/azalt önce/sonra på/av öppna/stäng "
    "开/关 开/闭 启/禁 增/减 大/小 多/少 高/低 上/下 前/后 买/卖 升/降 加/减 快/慢 长/短 好/坏 左/右 开/閉 閉/開 上/下 "
    "増/減 大/小 高/低 買/売 ン/フ "
    "켜는/끄는",
};

}  // namespace

std::span<const LexiconRow> topic_rows() noexcept { return topics; }
std::span<const std::string_view> antonym_rows() noexcept { return antonyms; }
std::string_view instructions() noexcept {
    return "make create cook bake boil fry grill roast brew say spell pronounce write calculate compute solve convert "
           "install uninstall fix "
           "repair remove delete clean wash get find use build draw fold tie cut peel measure add subtract multiply "
           "divide merge split "
           "reverse sort center align print open close save copy paste rename move download upload reset change set "
           "start stop run test "
           "debug deploy configure enable disable connect grow plant prune train teach become apply cancel register "
           "buy sell rent "
           "invest prevent treat cure reduce increase improve translate play tune sharpen hold reheat store freeze";
}
std::string_view homographs() noexcept {
    return "word pages notes signal square stripe threads office outlook drive maps true false none null apple turkey "
           "polish swift rust go may march august target shell oracle edge access "
           "teams meta delta "
           "mercury nice reading bath cork "
           "mobile chad jordan guinea swallow amazon phoenix orange buffalo champagne frank bill mark will rose grace "
           "crystal miles";
}

}  // namespace loom::cache

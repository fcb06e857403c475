// The one table of words. Where the themes come from:
//   tasks       the types of NVIDIA's prompt-task-and-complexity-classifier (open and closed QA, summarization, text
//   and
//               code generation, chatbot, classification, rewrite, brainstorming, extraction), joined to those that one
//               would send to different models; translation, maths and image are Loom's
//   reasoning, constraint, domain
//               three of that classifier's six dimensions of complexity; its reasoning, constraints and domain
//               knowledge
//   simple      the dampener of Bifrost's and LiteLLM's complexity routers: greetings and thanks
// The words themselves are common knowledge of the languages; the weights were set by hand, looking at
// tests/route/prompts/tuned.tsv: 4 decides alone, 2 needs company, 1 is a hint. A trailing * is any ending.
#include "prompt_words.h"

#include <array>
#include <cstddef>
#include <iterator>

#include "loom/base/assert.h"

namespace loom::route {
namespace {

struct Row {
    Theme theme;
    float weight;
    std::string_view words;  // between blanks
    Theme also = Theme::none;
    float also_weight = 0;
};

constexpr Row rows[] = {
    // of two themes
    {Theme::code, 2,
     "atomic atomically mutex mutexes concurren* failover invariant* deadlock* garbage llvm ssa lisp "
     "kernel* scheduler consensus transacti* semaphore coroutine* allocator backpressure sharding "
     "replication idempotent",
     Theme::domain, 1},
    {Theme::code, 1.5f, "debug debugging", Theme::reasoning, 0.7f},
    {Theme::code, 1, "implement implementing refactor port rewrite build optimize optimise", Theme::reasoning, 0.7f},
    {Theme::extraction, 1.5f, "pull mark cite", Theme::constraint, 0.7f},
    {Theme::maths, 3,
     "theorem theorems lemma induction integral* asymptot* combinato* abelian eigenv* topolog* stochast* "
     "bayesian polynomi* exponentials martingale isomorph* convergen*",
     Theme::domain, 1},
    {Theme::maths, 2, "prove proof proofs derive beweise* beweis доказать докажи 证明 証明", Theme::reasoning, 2.5f},
    {Theme::maths, 2, "simplify factor", Theme::reasoning, 0.3f},
    {Theme::maths, 1, "continuous infinitely primes finite random variables distribution vector group matrix",
     Theme::domain, 0.5f},
    // tasks: code
    {Theme::code, 4,
     "python* javascri* typescri* kotlin golang dockerfi* docker css html sql regex regexp bash powershe* "
     "pandas numpy postgres* mysql sqlite mongodb linux ubuntu vba matlab haskell scala 파이 パイ"},
    {Theme::code, 3,
     "java ruby perl rust php react* django flask node nodejs npm pip api apis git github kubernet* yaml "
     "async await tracebac* stacktra* segfault segmenta* typeerror importer* valueerr* keyerror indexerr* "
     "nullpoin* exceptio* compil* refactor* debugger docstrin* stylesheet terminal commit cron makefile "
     "cmake xml webhook 代码 函数 编程 程序 脚本 コー 関数 バグ ログ 排序 字符 코드 함수 vue angular "
     "svelte playwright selenium pytest junit express rest restful graphql json5 spring laravel rails "
     "kafka websocket tcp oauth jwt nginx apache terraform ansible helm cli argv stdin printf println "
     "iostream cpp csharp swift dart flutter android ios xcode gradle maven pointer pointers struct enum "
     "lambda recursion recursive iterator iterators parser tokenizer lexer syntax runtime stdlib repo "
     "конфлик* запрос таблиц* компил* ошибк* 문자 数组 文件 配列 プロ 実装 接口"},
    {Theme::code, 2.5f,
     "code coding function functions funktion* funcion* fonction* funzione funcao functie classe script "
     "scripts skript* bug bugs algorithm* algorit* query queries requete* thread threads rebase variable* "
     "loop loops bucle boucle schleife array arrays string strings liner snippet programm* programa codigo "
     "codice backend frontend module database функци* скрипт* массив* код программ* цикл kod"},
    {Theme::code, 1.5f,
     "component prop props token declared undefined errors expected codebase prod deploy staging logs "
     "client broker partition cache tests error"},
    {Theme::code, 1,
     "def return select import const void int for implemen* stack crash heap handler endpoint server login "
     "page object dictiona* list sort sorted trier duplicated merge rows folder files file command index "
     "button class process method lock app library unit queue"},
    // tasks: summary
    {Theme::summary, 4,
     "summar* tldr tl zusammenf* fasse resum* riassum* condense takeaway* samenvat* samengev* streszcz* "
     "streszcze* синтез перескаж* резюмиру* podsumuj* synthesis synthese synthesi* 总结 概括 摘要 要約 "
     "まと 概述 요약 shorter kurzer verkurz* сократи* краткий скорочено сжато 缩短 简述 精简 短く verkort* "
     "inkort* accorc* raccour* acorta* abrevia* skroc skroc* 줄여"},
    {Theme::summary, 2.5f,
     "shorten overview recap gist digest kurzfass* samen bullet кратко* краткое 要点 nutshell highligh* "
     "wichtigs* kernauss* catch executive essentiel principales 主要 内容"},
    {Theme::summary, 1,
     "main points key brief briefly zusammen ideas text article lines sentences содержан* ポイ paragraph "
     "abstract minutes report"},
    // tasks: translation
    {Theme::translation, 5,
     "translat* ubersetz* traduc* traduis* traduire traduz* tradu* vertaal* vertaling przetlum* przetłum* "
     "preloz* oversatt* перевед* перевод* ترجم ترجمة अनुवाद cevir* 翻译 翻訳 英訳 和訳 译成 번역 localiz* "
     "localis* lokalis* 訳し 訳す traduzio* traducao tradução перекла*"},
    // beside others
    {Theme::language, 1.2f,
     "chinois japonais coreen russe arabe grec polonais neerland* portugai* chino coreano ruso cinese "
     "giapponese russo portoghes* итальян* китайск* японск* португал* польск* turkisch* griechis* "
     "arabisch* niederla* ungaris* schwedis* 法文 德语 德文 西班 韩语 俄语 中国 韓国 フラ ドイ スペ 중국 "
     "일본 스페"},
    {Theme::language, 1,
     "english french german spanish italian portuguese japanese chinese mandarin korean russian arabic "
     "dutch polish czech greek turkish swedish danish hindi hebrew ukrainian latin vietnamese thai "
     "englisch* franzosi* deutsch* spanisch* japanisc* koreanis* italieni* russisch* polnisch* chinesis* "
     "ingles inglese engels angielsk* frances francese frans aleman tedesco duits niemieck* espanol "
     "spagnolo spaans italiano portugues japones anglais francais allemand espagnol italien polsku cesky "
     "anglicky английск* немецк* французск* русск* испанск* الإنجليزية العربية अंग्रेज़ी 英文 英语 中文 "
     "日文 法语 英語 本語 영어"},
    {Theme::toward, 1, "to into in ins auf en al na на para nach naar het op по"},
    {Theme::said, 1,
     "say said word sagt heisst dice decir dire скажи сказать rekne means meaning zeg zegt significa mean"},
    // tasks: creative
    {Theme::creative, 4,
     "poem* haiku* limerick* lyric* sonnet* villanel* ballad* gedicht* geschicht* gutenach* marchen* "
     "erzahl* poema* poesi* cuento* verhaal* verzin bajke bajka bajkę joke jokes fairy story stories "
     "slogan* caption* rap novel novella fable histoire* screenpl* monologue tweet toast roleplay стих* "
     "сказк* рассказ* сочини* 首诗 的诗 诗歌 故事 童话 物語 俳句 小説 写诗 시를 소설"},
    {Theme::creative, 3,
     "romantic bedtime horror monolog* anniversary poetic whimsical denk ausdenk* erfinde* dichte reime "
     "inventa inventate придумай придума* выдума* поздравл* 祝福 编一 构思 コピ 考え 創作 作詩 gedichtj* rijm* "
     "filastroc* wiersz* piosenk* opowiad* liedje"},
    {Theme::creative, 2.5f,
     "song chapter narrator fiction speech dialogue brainst* invent invente imagine* compose essay tagline "
     "descript* titles title podcast heist pirate characters character rhyme rhymes verse verses refrain* "
     "invitati* announci* greeting suggest pitch 一首 써줘"},
    {Theme::creative, 2,
     "names ending comedy sequel parody mascot advert advertis* chanson cancion canzone vers strophe titre "
     "titulo titolo название песня песню cafe"},
    {Theme::creative, 1.5f, "plot scene"},
    {Theme::creative, 1,
     "write catchy tell funny creative blog storytel* ecris escribe schreib* scrivi escreva napisz напиши "
     "вымысел continue play letter message card hero brand ad"},
    // tasks: extraction
    {Theme::extraction, 4,
     "extract* extrah* extrae* extrai* extrais estrai estrarre извлек* clasific* klassifi* classif* "
     "categor* kategori* sentimen* entities toxic emotion wyodrębn* 提取 抽取 分类 情感 抽出 分類 분류 "
     "긍정"},
    {Theme::extraction, 3,
     "hashtag* phishing legit genannt erwahnt nenne saca sacar mencion* relever trouve indica тональн* "
     "определи* выпиши* найди 找出 列出 标出 識別 抜き 見つ 取り 挙げ wypisz znajdz wskaz oznacz welche "
     "ambigu* spamfilt* ner annotate redact"},
    {Theme::extraction, 2.5f,
     "parse identify tag label spam positive negative neutral entity detect positiva negativa csv json "
     "columns mentioned haal contains contain fits 判断"},
    {Theme::extraction, 1,
     "every addresses fields field number numbers dates date datums schema following below get who yes "
     "notes line table"},
    // tasks: maths
    {Theme::maths, 4,
     "solve calculat* berechn* calcul* derivat* ableitun* gleichun* equation* ecuacion* equazion* "
     "vergelij* уравнени* probabil* algebra* geometr* arithmet* реши вычисли* производн* 计算 方程 导数 "
     "积分 解方 求解 넓이 얼마 differentiate raiz racine wurzel prozent procent* площад* hypotenu* "
     "subtrac* modulo logarit* trigonom* 面积 体积 平方 面積 平均 確率 概率 合計 делить сложи умнож* "
     "процент* корень расчит* wynosi oblicz* rozwiaz* oplosse* bereken* risolvi resous resoud* résous "
     "multiply multiplied multiplication divided dividiert resuelve resuelva resolver"},
    {Theme::maths, 2.5f,
     "sqrt root roots sum prime average percent* percenta* cube cubes fahrenhe* celsius divide teilen "
     "разделить умножить сколько combien cuanto quanto hoeveel discount 多少 等于 ways log logarithm "
     "cosine sine tangent"},
    {Theme::maths, 2,
     "median deviation variance decimal fraction triangle edges colouring coloring graph monochrom* "
     "compound ratio factors digits integer integers sides rectangle perimeter circle radius kreis kreises "
     "cercle circulo cuadrado carre dreieck odds integrate factorial square"},
    {Theme::maths, 1,
     "equals times plus minus speed km tip die rolls rolling price original costs cost euros many per area "
     "interest rate"},
    // tasks: image
    {Theme::image, 4,
     "draw paint painting zeichne* dessine* dibuja* disegna* desenh* teken narysuj* нарису* рисунок "
     "photorea* waterco* cyberpun* sketch doodle 画一 成图 绘制 描い 图片 画像 그려 그림 portrait "
     "cinematic 8k neon bokeh malen gemalde dibujo ilustrac* ilustraci* dessin aquarell* acuarela "
     "aquarelle retrato ritratto obraz рисуй иллюстр* портрет 插画 海报 头像 水彩 アニ 写真 storyboard "
     "anime pixel isometric unreal"},
    {Theme::image, 1.5f, "style deco minimal* 35mm detailed render 4k flat oil lighting"},
    // beside others
    {Theme::picture, 1,
     "image images picture pictures imagen immagine imagem afbeeld* bild bildes logo illustr* poster photo "
     "icon icons drawing wallpape* картинк* изображен* obrazek 图像 一张 イラ 絵を"},
    {Theme::make, 1,
     "create generate make made design erstelle* genera generer cree crea mache maak show создай сгенерир* "
     "stworz 生成"},
    // what makes a prompt hard
    {Theme::reasoning, 1,
     "settle rigorous* determine distinguish comment conflict grade replica* map force whether rely wrong "
     "defend refute convince counterar* counterex* limitatio* shortcomi* consequen* optimal maximi* "
     "minimi* simulate model forecast predict audit review rank ranked ranking criteria priorit* abwag* "
     "bewert* vergleich* begrund* evalua* compara* argument* bewijs* vergelijk* valuta* confronta* porown* "
     "uzasad* оцени* обоснуй* объясни* analyze* analyse* analysie* evaluate compare contrast offs "
     "tradeoff* justify argue critique reason reasons reasoning why weigh weighing hypothes* strateg* "
     "recommend assumpti* evidence risks differential diagnose diagnos* cause contradi* reconcil* estimate "
     "propose steps generali* discuss feasible explain explains characte* implicat* analiza* analizz* "
     "analyser justifier reconstr* assess respond undermin* compete* competing separate sequence "
     "constrain* negotiat* verify decide decision order lay work prioriti* mitigat* rationale plan "
     "outcome* sufficie* adversar* interpret critical* disagree* infer* recur support sceptic* skeptic* "
     "conditi* fix causes проанали* сравни* 分析 比较 论证 評価"},
    {Theme::constraint, 1,
     "may once twice least recover recovered locally proportional apart duplicate duplicates certain "
     "certainty actual actually each otherwise must exactly without keep only never most both preserve "
     "leave constant same cannot consiste* follow follows handle survive survives instead under between "
     "across depend depends avoid strict strictly sparing* unambig* properly explicit* whatever neither "
     "nor precise change"},
    {Theme::clause, 1,
     "whose what its has had did have using rather which where how while because given then when if that "
     "through until unless although whereas would could against one"},
    {Theme::domain, 1,
     "investors vested blocking emissions commuters rents independence pandemic replicate clinicians "
     "studies sample rebalan* incremental tree absolutely rigorously charter historian century abbreviat* "
     "consumption literature legally cofounder founder equity insolven* bankrupt* compliance gdpr hipaa "
     "fda biomarker* immun* antibod* geolog* aerodyn* turbine* circuit* voltage spectr* catalys* polymer* "
     "jurisdi* arbitrat* clause indemnif* contract contracts legal liabilit* statute doctrine law laws "
     "litigat* patent plaintif* covenant* amendment governing union pension lender deficit liquidit* "
     "valuatio* churn nps quarters monetary inflatio* fiscal ecb regulati* economic* unemploy* patient* "
     "clinical symptom* prognos* patholog* oncolog* cardio* pharmaco* dose diabetes ecg troponin dyspnea "
     "rxnorm adverse memory ordering aba latency p99 distribu* architec* migratio* monolith redis "
     "benchmark unsafe backward compatib* quantum productiv* literary footnote metre iambic pentamet* "
     "refrain confound* ethics ethical moral theist* epistem* ontolog* metaphys* philosop* argument margin "
     "revenue material* depositi* hearsay threadsa* entropy thermodyn* genom* protein* enzyme* cryptogr* "
     "geopolit* treaty tariff* regressi* causal* inferenc* varianc* hypothesis neural transfor* gradient* "
     "antenna* reactor* semicond* volatile exceptions rates independent respondents interviews apparatus "
     "worker workers barrier generational"},
    // what makes it easy
    {Theme::simple, 1,
     "hi hello hey yo thanks thank thx ok okay morning bye hallo hola bonjour ciao привет 你好 谢谢 こん "
     "안녕"},
};

/// A word as the scan meets it.
struct Spelled {
    WordHash hash = word_hash_seed;
    uint32_t letters = 0;
    uint32_t ideographs = 0;
    bool is_stem = false;
};

char32_t take_character(std::string_view text, size_t& at) {
    const auto byte = [&](size_t i) { return static_cast<char32_t>(static_cast<uint8_t>(text[i])); };
    const char32_t first = byte(at);
    const size_t length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    char32_t c = length == 1 ? first : first & (0xff >> (length + 1));
    for (size_t i = 1; i < length; ++i) c = c << 6 | (byte(at + i) & 0x3f);
    at += length;
    return c;
}

Spelled spell(std::string_view word) {
    Spelled spelled;
    for (size_t at = 0; at < word.size();) {
        const char32_t c = take_character(word, at);
        if (c == U'*') {
            spelled.is_stem = true;
            continue;
        }
        const char32_t letter = is_ideograph(c) ? c : fold_letter(c);
        spelled.hash = add_letter(spelled.hash, letter);
        spelled.letters += 1;
        spelled.ideographs += is_ideograph(c) ? 1 : 0;
    }
    return spelled;
}

template <class Do>
void each_word(Do what) {
    for (const Row& row : rows) {
        std::string_view rest = row.words;
        while (!rest.empty()) {
            const size_t blank = rest.find(' ');
            const std::string_view word = rest.substr(0, blank);
            rest.remove_prefix(blank == rest.npos ? rest.size() : blank + 1);
            if (!word.empty()) what(row, word);
        }
    }
}

/// Can the scan ever ask for it?
bool is_asked_for(const Spelled& spelled) noexcept {
    if (spelled.ideographs > 0) return spelled.ideographs == 2 && spelled.letters == 2 && !spelled.is_stem;
    return !spelled.is_stem || (spelled.letters >= stem_letters_min && spelled.letters <= stem_letters_max);
}

/// Made before main: compilers do not like to do so much of it.
WordTable make_table(bool stems) {
    WordTable table;
    each_word([&](const Row& row, std::string_view word) {
        const Spelled spelled = spell(word);
        LOOM_ASSERT(is_asked_for(spelled));
        if (spelled.is_stem == stems) table.insert(spelled.hash, static_cast<uint8_t>(&row - rows + 1));
    });
    LOOM_ASSERT(table.used() * 2 <= WordTable::size);
    return table;
}
static_assert(std::size(rows) < 255);

}  // namespace

const WordTable whole_words = make_table(false);
const WordTable word_stems = make_table(true);

uint16_t WordTable::look_up(WordHash hash) const noexcept {
    uint32_t slot = hash >> 20;
    for (; rows_[slot] != 0; slot = (slot + 1) % size)
        if (hashes_[slot] == hash) return static_cast<uint16_t>(slot);
    return none;
}

Word WordTable::word(uint16_t slot) const noexcept {
    const Row& row = rows[rows_[slot] - 1];
    return {row.theme, row.weight, row.also, row.also_weight};
}

}  // namespace loom::route

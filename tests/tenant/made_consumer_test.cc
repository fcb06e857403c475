// What may be said of a consumer that is made over the admin listener, and how a fault is told.
#include "loom/tenant/made_consumer.h"

#include <gtest/gtest.h>

namespace loom::tenant {
namespace {

const std::string whole =
    R"({"name":"ci","tenant":"acme","project":"site","team":"a","tier":"gold","roles":["ci"],"models":["gpt-4o*"],)"
    R"("routes":["ai"],"regions":["eu"],"allow_ips":["10.0.0.0/8","::1"],"priority":7,)"
    R"("expires":"2027-01-31T00:00:00Z","disabled":true,"metadata":{"owner":"jane \"j\" \\ doe","cost":"7"},)"
    R"("limits":{"request_rate":60,"token_rate":100000,"burst":10,"concurrent":4},)"
    R"("budgets":{"daily_limit":1000,"monthly_limit":20000,"weekly_budget":"5.00"}})";

/// "" for what is taken, else "member: text".
std::string fault_of(const std::string& document, const MadeConsumer& before = {}, bool takes_name = true) {
    const auto read = merge_made_consumer(before, document, takes_name);
    return read ? "" : read.error().member + ": " + read.error().text;
}

TEST(MadeConsumers, AreWhatTheirDocumentSays) {
    const auto read = merge_made_consumer({}, whole, true);
    ASSERT_TRUE(read) << read.error().member << read.error().text;
    EXPECT_EQ(read->consumer.name, "ci");
    EXPECT_TRUE(read->consumer.made);
    EXPECT_TRUE(read->disabled);
    EXPECT_EQ(read->consumer.priority, 7);
    EXPECT_EQ(read->consumer.networks.size(), 2u);
    EXPECT_EQ(read->limits.burst, 10u);
    EXPECT_EQ(read->budgets.tokens[1], std::nullopt);
    EXPECT_EQ(read->budgets.money[1], "5.00");
    EXPECT_EQ(read->consumer.metadata[0].second, R"(jane "j" \ doe)");
    const std::string written = "{" + made_consumer_members(*read) + "}";
    const auto again = merge_made_consumer({}, written, true);
    ASSERT_TRUE(again) << written;
    EXPECT_EQ("{" + made_consumer_members(*again) + "}", written) << "what is kept is read as the same";
    EXPECT_EQ(again->consumer.expires_unix_s, read->consumer.expires_unix_s);
}

TEST(MadeConsumers, AChangeChangesWhatItNamesAndNullTakesBack) {
    const MadeConsumer before = *merge_made_consumer({}, whole, true);
    const auto after = merge_made_consumer(
        before,
        R"({"tier":null,"models":null,"disabled":false,"limits":{"burst":null,"concurrent":9},"metadata":{"cost":null},)"
        R"("budgets":null,"expires":null,"priority":null,"allow_ips":null})",
        false);
    ASSERT_TRUE(after);
    EXPECT_EQ(made_consumer_members(*after),
              R"("name":"ci","tenant":"acme","project":"site","team":"a","roles":["ci"],"routes":["ai"],)"
              R"("regions":["eu"],"priority":5,"disabled":false,"metadata":{"owner":"jane \"j\" \\ doe"},)"
              R"("limits":{"request_rate":60,"token_rate":100000,"concurrent":9})");
    EXPECT_TRUE(after->consumer.networks.empty());
    EXPECT_EQ("{" + made_consumer_members(*merge_made_consumer(before, "{}", false)) + "}",
              "{" + made_consumer_members(before) + "}");
    EXPECT_EQ(fault_of(R"({"name":"ci"})", before, false), "");
    EXPECT_EQ(fault_of(R"({"name":"other"})", before, false), "name: cannot be changed; make another consumer");
}

TEST(MadeConsumers, AFaultNamesItsMember) {
    const std::vector<std::pair<std::string, std::string>> faults = {
        {R"({})", "name: "},
        {R"({"name":"a b"})", "name: "},
        {R"({"name":""})", "name: "},
        {R"({"name":7})", "name: "},
        {R"({"name":")" + std::string(65, 'x') + R"("})", "name: "},
        {R"({"name":"x","tier":7})", "tier: expected a string"},
        {R"({"name":"x","tier":"a\nb"})", "tier: "},
        {R"({"name":"x","tenant":")" + std::string(129, 'x') + R"("})", "tenant: "},
        {R"({"name":"x","models":"gpt"})", "models: expected a list"},
        {R"({"name":"x","models":[]})", "models: is an empty list"},
        {R"({"name":"x","models":[""]})", "models: "},
        {R"({"name":"x","models":[1]})", "models: "},
        {R"({"name":"x","allow_ips":["10.0.0.0/33"]})", "allow_ips: '10.0.0.0/33'"},
        {R"({"name":"x","priority":10})", "priority: expected a whole number from 0 to 9"},
        {R"({"name":"x","priority":1.5})", "priority: "},
        {R"({"name":"x","priority":-1})", "priority: "},
        {R"({"name":"x","priority":"5"})", "priority: "},
        {R"({"name":"x","expires":"soon"})", "expires: expected a date"},
        {R"({"name":"x","expires":1800000000})", "expires: "},
        {R"({"name":"x","disabled":"yes"})", "disabled: "},
        {R"({"name":"x","metadata":[]})", "metadata: expected an object"},
        {R"({"name":"x","metadata":{"a":1}})", "metadata.a: "},
        {R"({"name":"x","metadata":{"":"a"}})", "metadata: "},
        {R"({"name":"x","metadata":{"a":""}})", "metadata.a: is empty"},
        {R"({"name":"x","limits":{"rps":1}})", "limits.rps: is not known"},
        {R"({"name":"x","limits":{"burst":1}})", "limits.burst: needs limits.request_rate"},
        {R"({"name":"x","limits":{"request_rate":1e3}})", "limits.request_rate: "},
        {R"({"name":"x","limits":{"request_rate":18446744073709551615}})", "limits.request_rate: "},
        {R"({"name":"x","limits":{"request_rate":18446744073709551616}})", ": is no JSON object"},
        {R"({"name":"x","limits":7})", "limits: expected an object"},
        {R"({"name":"x","budgets":{"daily_budget":5}})", "budgets.daily_budget: expected an amount as a string"},
        {R"({"name":"x","budgets":{"daily_budget":"-5"}})", "budgets.daily_budget: "},
        {R"({"name":"x","budgets":{"daily_budget":"5000000"}})", "budgets.daily_budget: is more"},
        {R"({"name":"x","budgets":{"daily_budget":"99999999999"}})", "budgets.daily_budget: expected an amount"},
        {R"({"name":"x","budgets":{"yearly_limit":5}})", "budgets.yearly_limit: is not known"},
        {R"({"name":"x","api_key":"sk"})", "api_key: is not known here"},
        {R"({"name":"x","name":"y"})", ": is no JSON object, or names a member twice"},
        {R"({"name":"x","limits":{"burst":1,"burst":2}})", ": is no JSON object, or names a member twice"},
        {R"([])", ": is no JSON object"},
        {"", ": is no JSON object"},
        {"{\"name\":\"\xff\"}", ": is no JSON object"},
        {R"({"name":"x","project":")" + std::string(9000, 'x') + R"("})", ": is larger than 8 KiB"},
    };
    for (const auto& [document, start] : faults)
        EXPECT_TRUE(fault_of(document).starts_with(start) && !fault_of(document).empty())
            << document << " is " << fault_of(document) << " not " << start;
}

/// Rules know of no claim that is "": older releases kept some, and a Loom that has them starts.
TEST(MadeConsumers, AnEmptyEntryThatWasKeptIsNone) {
    const auto kept = restore_made_consumer(R"({"name":"ci","metadata":{"owner":"","cost":"7"}})");
    ASSERT_TRUE(kept) << kept.error().text;
    ASSERT_EQ(kept->consumer.metadata.size(), 1u);
    EXPECT_EQ(kept->consumer.metadata[0].first, "cost");
    EXPECT_EQ(fault_of(R"({"metadata":{"owner":null}})", *kept, false), "");
    EXPECT_EQ(fault_of(R"({"metadata":{"cost":""}})", *kept, false), "metadata.cost: is empty; null takes it back");
}

TEST(MadeConsumers, EveryTruncationIsRefused) {
    for (size_t cut = 0; cut < whole.size(); ++cut) EXPECT_NE(fault_of(whole.substr(0, cut)), "") << cut;
}

TEST(MadeConsumers, GrowNoLargerByAnyNumberOfChanges) {
    MadeConsumer one = *merge_made_consumer({}, R"({"name":"x"})", true);
    size_t refused = 0;
    for (const char* const list : {"roles", "models", "routes", "regions"}) {
        std::string document = R"({")" + std::string(list) + R"(":[)";
        for (int i = 0; i < 32; ++i)
            document += (i == 0 ? "\"" : ",\"") + std::string(128, static_cast<char>('a' + i % 26)) + "\"";
        const auto more = merge_made_consumer(one, document + "]}", false);
        if (more) one = *more;
        refused += !more;
    }
    EXPECT_GE(refused, 2u);
    EXPECT_LE(made_consumer_members(one).size() + 2, MadeConsumer::document_bytes_max);
    std::string many = R"({"metadata":{)";
    for (int i = 0; i < 17; ++i) many += (i == 0 ? "\"" : ",\"") + std::to_string(i) + R"(":"x")";
    EXPECT_EQ(fault_of(many + "}}", one, false), "metadata: has more than 16 entries");
}

/// A document that is kept and not read again would let no Loom start.
TEST(MadeConsumers, AreReadAgainAtEverySizeAboutTheBound) {
    MadeConsumer full = *merge_made_consumer({}, R"({"name":"x"})", true);
    const auto list_of = [](std::string_view name, size_t count) {
        std::string document = R"({")" + std::string(name) + R"(":[)";
        for (size_t i = 0; i < count; ++i) document += (i == 0 ? "\"" : ",\"") + std::string(124, 'a') + "\"";
        return document + "]}";
    };
    full = *merge_made_consumer(full, list_of("models", 30), false);
    size_t taken = 0, refused = 0, largest = 0;
    for (size_t roles = 30; roles <= 33; ++roles) {
        const MadeConsumer base = *merge_made_consumer(full, list_of("roles", roles), false);
        for (size_t a = 1; a <= 128; ++a) {
            const auto one = merge_made_consumer(base, R"({"metadata":{"a":")" + std::string(a, 'm') + R"("}})", false);
            refused += !one;
            if (!one) continue;
            ++taken;
            const std::string written = "{" + made_consumer_members(*one) + "}";
            largest = std::max(largest, written.size());
            const auto again = merge_made_consumer({}, written, true);
            ASSERT_TRUE(again) << written.size();
            ASSERT_EQ("{" + made_consumer_members(*again) + "}", written);
        }
    }
    EXPECT_GT(taken, 0u);
    EXPECT_GT(refused, 0u);
    EXPECT_EQ(largest, MadeConsumer::document_bytes_max);
}

TEST(MadeConsumers, ExpireAtATimeThatCanBeWritten) {
    const std::string late = R"({"name":"x","expires":")";
    for (const char* const time : {"9999-12-31T23:59:59-00:01", "9999-12-31T23:59:60Z", "9999-12-31T00:01:00-23:59"}) {
        EXPECT_TRUE(fault_of(late + time + R"("})").starts_with("expires: is after the end of 9999")) << time;
    }
    for (const char* const time : {"9999-12-31T23:59:59Z", "9999-12-31", "0000-01-01T00:00:00+23:59", "1969-12-31"}) {
        const auto one = merge_made_consumer({}, late + time + R"("})", true);
        ASSERT_TRUE(one) << time;
        const auto again = merge_made_consumer({}, "{" + made_consumer_members(*one) + "}", true);
        ASSERT_TRUE(again) << time;
        EXPECT_EQ(again->consumer.expires_unix_s, one->consumer.expires_unix_s);
    }
}

TEST(MadeConsumers, StandBehindTheConfsAndNeverInTheirPlace) {
    std::vector<ConsumerOptions> options(2);
    options[0].consumer.name = "first";
    options[0].api_keys = {"sk-first"};
    options[1].consumer.name = "second";
    options[1].consumer.tier = "gold";
    const ConsumerTable conf = *ConsumerTable::build(std::move(options));
    Consumer made{.name = "third", .made = true}, same{.name = "second", .tier = "free", .made = true};
    const std::vector<IssuedKey> keys = {
        {"third", sha256("sk-third")}, {"second", sha256("sk-second")}, {"third", sha256("sk-first")}};
    ConsumerTable with = conf.with_issued(keys, {made, same});
    ASSERT_EQ(with.consumers().size(), 3u);
    EXPECT_EQ(with.named("second")->tier, "gold");
    EXPECT_FALSE(with.named("second")->made);
    EXPECT_EQ(with.named("third")->index, 2u);
    EXPECT_EQ(with.find("sk-third")->name, "third");
    EXPECT_EQ(with.find("sk-first")->name, "first") << "a key of the conf stays its consumer's";
    with = with.with_issued(keys, {Consumer{.name = "fourth", .made = true}});
    EXPECT_EQ(with.named("third"), nullptr) << "those before are gone";
    EXPECT_EQ(with.find("sk-third"), nullptr);
    EXPECT_EQ(with.named("fourth")->index, 2u);
    with = with.with_issued({});
    EXPECT_EQ(with.consumers().size(), 2u);
    EXPECT_EQ(with.find("sk-first")->name, "first");
}

}  // namespace
}  // namespace loom::tenant

#include "loom/base/list.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <random>
#include <vector>

namespace loom {
namespace {

struct TagA;
struct TagB;
struct Item : ListLink<TagA>, ListLink<TagB> {
    explicit Item(int n) : number(n) {}
    int number;
};
using ListA = List<Item, TagA>;
using ListB = List<Item, TagB>;
using LinkA = ListLink<TagA>;

std::vector<int> numbers(ListA& list) {
    std::vector<int> found;
    list.for_each([&](Item& item) { found.push_back(item.number); });
    return found;
}

TEST(List, DoesWhatADequeWouldDo) {
    const unsigned seed = std::random_device{}();
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    std::vector<std::unique_ptr<Item>> items;
    for (int i = 0; i < 20; ++i) items.push_back(std::make_unique<Item>(i));
    ListA list;
    std::deque<int> model;
    for (int step = 0; step < 5'000; ++step) {
        Item& item = *items[random() % items.size()];
        if (item.LinkA::linked()) {
            item.LinkA::unlink();
            std::erase(model, item.number);
        } else if (random() % 2 == 0) {
            list.push_back(item);
            model.push_back(item.number);
        } else {
            list.push_front(item);
            model.push_front(item.number);
        }
        if (random() % 5 == 0) {
            Item* const first = list.pop_front();
            ASSERT_EQ(first == nullptr, model.empty());
            if (first != nullptr) {
                ASSERT_EQ(first->number, model.front());
                model.pop_front();
            }
        }
        ASSERT_EQ(list.empty(), model.empty());
        ASSERT_EQ(numbers(list), std::vector<int>(model.begin(), model.end()));
    }
    for (auto& item : items) item->LinkA::unlink();
}

TEST(List, AnItemLeavesWhenItDies) {
    ListA list;
    Item stays(1);
    {
        Item dies(2);
        list.push_back(stays);
        list.push_back(dies);
    }
    EXPECT_EQ(numbers(list), std::vector<int>{1});
    stays.LinkA::unlink();
}

TEST(List, AnItemMayBeInOneListOfEachTag) {
    ListA a;
    ListB b;
    Item item(7);
    a.push_back(item);
    b.push_back(item);
    EXPECT_EQ(&a.front(), &b.back());
    item.LinkA::unlink();
    EXPECT_TRUE(a.empty());
    EXPECT_EQ(b.pop_front(), &item);
}

TEST(List, MoveToTakesEverythingAndLeavesTheListFitForMore) {
    ListA from, to;
    Item one(1), two(2), three(3);
    from.move_to(to);
    EXPECT_TRUE(to.empty());
    from.push_back(one);
    from.push_back(two);
    from.move_to(to);
    from.push_back(three);
    EXPECT_EQ(numbers(to), (std::vector<int>{1, 2}));
    EXPECT_EQ(numbers(from), std::vector<int>{3});
    for (Item* item : {&one, &two, &three}) item->LinkA::unlink();
}

TEST(List, TheVisitedMayLeaveTheList) {
    ListA list;
    Item one(1), two(2);
    list.push_back(one);
    list.push_back(two);
    list.for_each([](Item& item) { item.LinkA::unlink(); });
    EXPECT_TRUE(list.empty());
}

TEST(ListDeath, NoItemIsInOneListTwice) {
    ListA list;
    Item item(1);
    list.push_back(item);
    EXPECT_DEATH(list.push_back(item), "linked");
    item.LinkA::unlink();
}

}  // namespace
}  // namespace loom

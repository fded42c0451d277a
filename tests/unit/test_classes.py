import pytest

from benchbench.classes import check_classes, class_map
from benchbench.errors import DatasetError
from benchbench.types import Category

ANIMALS = (Category(7, "dog"), Category(2, "Cat"), Category(0, "horse"))


def test_without_names_the_categories_are_taken_by_ascending_id() -> None:
    found = class_map(ANIMALS, None, None)
    assert found.names == ("horse", "Cat", "dog")
    assert found.category_ids == (0, 2, 7)
    assert found.background is None


def test_without_names_the_background_comes_first() -> None:
    found = class_map(ANIMALS, None, "void")
    assert found.names == ("void", "horse", "Cat", "dog")
    assert found.category_ids == (None, 0, 2, 7)
    assert found.background == 0


def test_names_keep_the_models_order_and_match_regardless_of_case() -> None:
    found = class_map(ANIMALS, ["CAT", "dog", "none"], "none")
    assert found.names == ("CAT", "dog", "none")
    assert found.category_ids == (2, 7, None)
    assert found.background == 2


def test_an_exact_name_wins_over_another_case() -> None:
    categories = (Category(1, "Person"), Category(2, "person"))
    assert class_map(categories, ["person", "Person"], None).category_ids == (2, 1)


def test_a_class_that_the_dataset_lacks_has_no_id_even_if_repeated() -> None:
    assert class_map(ANIMALS, ["N/A", "dog", "N/A"], None).category_ids == (None, 7, None)


@pytest.mark.parametrize(
    ("names", "background", "message", "hint"),
    [
        (["hrose", "car"], None, "none of the model's 2 classes", "did you mean 'horse'"),
        (["zebra"], None, "none of the model's 1 classes", "the dataset has: dog, Cat, horse"),
        ([], None, "none of the model's 0 classes", "the dataset has"),
        (["dog"], "background", "'background' is not in the model's class list", "leave it out"),
        (["Backgroud", "dog"], "background", "is not in the model's", "did you mean 'Backgroud'"),
        (["dog", "Dog"], None, "0 ('dog'), 1 ('Dog') are the same category (id 7)", "once"),
    ],
)
def test_a_list_that_does_not_fit_says_why(names, background, message, hint) -> None:
    with pytest.raises(DatasetError) as caught:
        class_map(ANIMALS, names, background)
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_two_categories_of_one_name_cannot_be_told_apart_by_name() -> None:
    twins = (Category(1, "dog"), Category(2, "dog"))
    with pytest.raises(DatasetError, match="fits the categories with ids 1, 2"):
        class_map(twins, ["dog"], None)
    assert class_map(twins, None, None).category_ids == (1, 2)


LABELS = {"hound": "dog", "puppy": "dog", "pony": "horse", "Cat": None}


def test_a_label_map_renames_merges_and_drops() -> None:
    names = ["hound", "pony", "Cat", "puppy", "zebra"]
    found = class_map(ANIMALS, names, None, LABELS, merging=True)
    assert found.names == tuple(names)
    assert found.category_ids == (7, 0, None, 7, None)


def test_classes_are_merged_by_the_map_alone() -> None:
    with pytest.raises(DatasetError, match=r"0 \('dog'\), 1 \('Dog'\) are the same"):
        class_map(ANIMALS, ["dog", "Dog", "hound"], None, LABELS, merging=True)


def test_classes_are_not_merged_where_pixels_or_images_are_labelled() -> None:
    with pytest.raises(DatasetError) as caught:
        class_map(ANIMALS, ["hound", "puppy"], None, LABELS)
    assert "0 ('hound'), 1 ('puppy') are the same" in caught.value.message
    assert "label_map" in caught.value.hint
    assert class_map(ANIMALS, ["hound"], None, LABELS).category_ids == (7,)


def test_a_label_map_to_nowhere_is_refused() -> None:
    with pytest.raises(DatasetError) as caught:
        class_map(ANIMALS, ["dog"], None, {"hound": "dgo"})
    assert "'dgo'" in caught.value.message
    assert caught.value.hint == "did you mean 'dog' instead of 'dgo'?"


def test_the_classes_of_a_card_must_be_those_of_the_data() -> None:
    check_classes(ANIMALS, [])
    check_classes(ANIMALS, ["horse", "dog", "Cat"])
    with pytest.raises(DatasetError, match="lacks cow and has Cat, dog"):
        check_classes(ANIMALS, ["horse", "cow"])

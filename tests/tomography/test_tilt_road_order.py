"""Which missing tilt comes next, and what lies around it."""

from mendem.tomography.tilt_road_order import neighbours, outward, separation


def test_an_isolated_object_seen_from_behind_is_the_mirror_of_its_front():
    assert separation(-88, 88, True) == (4, True)
    assert separation(88, -88, True) == (-4, True)
    assert separation(10, 70, True) == (-60, False)


def test_a_slab_has_nothing_beyond_ninety_degrees():
    assert separation(-80, 80, False) == (-160, False)


def test_tilts_are_generated_outward_and_the_two_sides_take_turns():
    targets = [-70, -65, 65, 70, 90]
    order = outward([-60, 0, 60], targets, True)
    assert [targets[i] for i in order] == [-65, 65, -70, 70, 90]


def test_a_tilt_in_a_gap_comes_before_those_beyond_the_range():
    targets = [66, 33, 75]
    order = outward([0, 30, 36, 60], targets, False)
    assert [targets[i] for i in order] == [33, 66, 75]


def test_the_nearest_known_tilts_of_both_sides_are_neighbours_across_ninety_degrees_too():
    angles = [-60, -57, 0, 57, 60, 80, 90]
    below, above = neighbours(angles, range(5), range(5), 80, True)
    assert [(n.index, n.distance, n.mirrored) for n in below] == [(4, -20, False), (3, -23, False)]
    assert [(n.index, n.distance, n.mirrored) for n in above] == [(0, 40, True), (1, 43, True)]


def test_a_slab_has_neighbours_on_one_side_of_a_tilt_beyond_its_range():
    below, above = neighbours([-60, 0, 60], range(3), range(3), 70, False)
    assert [n.index for n in below] == [2, 1]
    assert above == []


def test_behind_a_generated_neighbour_stands_the_nearest_measured_one():
    angles = [57, 60, 63, 66, 69]
    below, above = neighbours(angles, [0, 1, 2, 3], {0, 1}, 69, False)
    assert [n.index for n in below] == [3, 1]
    assert above == []

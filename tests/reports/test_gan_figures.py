"""The pictures of the GANs: what is drawn, and that the files depend on the rows alone."""

import numpy as np
import pytest
from matplotlib.image import imread

from regbench.errors import UserError
from regbench.evidence.arrays import stored_array
from regbench.reports.gan import curves as gan_curves
from regbench.reports.gan import samples as gan_samples
from regbench.reports.gan.curves import LOOKS, draw_gan_fid, draw_gan_losses, draw_gan_rates, has_rates
from regbench.reports.gan.samples import draw_gan_samples, has_samples, tiled
from regbench.reports.gan.sections import gan_sections
from regbench.reports.publish import publish

from .gan_factory import LINES, gan_row
from .rows import failed

DRAWN = {"loss": draw_gan_losses, "rate": draw_gan_rates, "fid": draw_gan_fid, "samples": draw_gan_samples}


def section(rows):
    (found,) = gan_sections(rows, "quick")
    return found


@pytest.fixture
def unsaved(monkeypatch):
    for module in (gan_curves, gan_samples):
        monkeypatch.setattr(module, "save", lambda figure, path: figure)


def labels(axes):
    return axes.get_legend_handles_labels()[1]


def test_pictures_are_the_same_bytes_for_the_same_rows_in_any_order(tmp_path):
    rows = [gan_row("AGNN-ADR", seed) for seed in (0, 1)]
    first, again = (
        [draw(section(each), tmp_path / "new" / "a.png").read_bytes() for draw in (draw_gan_rates, draw_gan_samples)]
        for each in (rows, rows[::-1])
    )
    assert first == again and not any(b"Software" in each for each in first)


def test_losses_have_a_column_an_objective_and_both_nets(unsaved):
    rows = [gan_row(line, seed) for line in LINES for seed in (0, 1)]
    figure = draw_gan_losses(section(rows), "unused.png")
    assert [labels(axes) for axes in figure.axes[:3]] == [
        ["DCGAN", "AGNN-ADR", "Rate fixed at 0.5"],
        ["WGAN-GP"],
        ["SNGAN"],
    ]
    assert [axes.get_ylabel() for axes in figure.axes] == ["discriminator loss"] * 3 + ["generator loss"] * 3
    wgan = figure.axes[1].lines[0]
    assert wgan.get_xdata()[-1] == 300 and len(wgan.get_xdata()) == 12
    curves = [
        row["epochs"][-1]["curves"]["discriminator_loss"][-1]
        for row in rows
        if row["config"]["model"]["name"] == "wgan_gp"
    ]
    assert wgan.get_ydata()[-1] == pytest.approx(np.mean(curves))
    assert len(draw_gan_losses(section(rows[:2]), "unused.png").axes) == 2


def test_rates_are_drawn_for_every_adaptive_line_and_layer(unsaved):
    rows = [gan_row(line, 0) for line in LINES] + [gan_row("AGNN-ADR", 0, method={"beta": 0.002})]
    (axes,) = draw_gan_rates(section(rows), "unused.png").axes
    assert labels(axes) == [line for line in LINES if LINES[line][1] == "adaptive_dropout"] + ["AGNN-ADR, beta 0.002"]
    layers = [line.get_ydata()[0] for line in axes.lines if line.get_linewidth() == 0.5]
    (mean,) = [line for line in axes.lines if line.get_label() == "One rate a layer"]
    assert len(layers) == 2 and mean.get_ydata()[0] == pytest.approx(np.mean(layers))
    plain = section([gan_row("DCGAN", 0)])
    assert has_rates(section(rows)) and not has_rates(plain)
    with pytest.raises(UserError, match="mnist, budget quick: no finished row with a dropout rate to draw"):
        draw_gan_rates(plain, "unused.png")


def test_fid_has_every_line_on_a_log_axis_above_the_floor(unsaved):
    rows = [gan_row(line, seed) for line in LINES for seed in (0, 1)] + [gan_row("WGAN-GP", 0, task={"n_dis": 5})]
    paper, others = draw_gan_fid(section(rows), "unused.png").axes
    assert labels(paper) == ["DCGAN", "WGAN-GP", "SNGAN", "AGNN-ADR", "real images"]
    assert labels(others) == ["DCGAN", "AGNN-ADR", *list(LINES)[4:], "WGAN-GP, n_dis 5", "real images"]
    assert paper.get_yscale() == others.get_yscale() == "log"
    assert paper.lines[-1].get_ydata()[0] == 0.4 and paper.get_ylim()[0] < 0.4
    assert paper.lines[0].get_ydata().tolist() == pytest.approx(
        np.mean([[entry["test"]["full"]["fid"] for entry in row["epochs"]] for row in rows[:2]], axis=0).tolist()
    )
    assert len(draw_gan_fid(section(rows[:4]), "unused.png").axes) == 1


def test_headings_say_n_budget_device_and_what_is_not_drawn(unsaved):
    rows = [gan_row(line, seed) for line in ("DCGAN", "AGNN-ADR") for seed in (0, 1)]
    rows[0] = failed(rows[0])
    for draw in DRAWN.values():
        text = draw(section(rows), "unused.png").get_suptitle()
        assert "n = 1 to 2, budget quick, device cpu" in text and "failed members, not drawn: DCGAN (1 of 2)" in text
    for name in ("loss", "fid"):
        with pytest.raises(UserError, match="no finished row with"):
            DRAWN[name](section([failed(row) for row in rows]), "unused.png")


def test_missing_curves_are_an_error_naming_the_row(tmp_path):
    row = gan_row("DCGAN", 0)
    del row["epochs"][0]["curves"]
    with pytest.raises(UserError, match=f"row {row['id']}: epoch 1: curves.discriminator_loss .* has none"):
        draw_gan_losses(section([row]), tmp_path / "a.png")


def test_every_method_has_a_look_of_its_own():
    assert len({(style.color, style.marker) for style in LOOKS.values()}) == len(LINES) == len(LOOKS)


def test_samples_have_a_panel_a_method_of_its_lowest_seed(unsaved):
    rows = [gan_row(line, seed) for line in ("SNGAN", "DCGAN", "AGNN-ADR") for seed in (2, 1)]
    figure = draw_gan_samples(section(rows), "unused.png")
    titles = [axes.get_title() for axes in figure.axes]
    assert [title.split("\n")[0] for title in titles] == ["DCGAN", "SNGAN", "AGNN-ADR"]
    last = rows[3]["epochs"][-1]["test"]["full"]["fid"]
    assert titles[0].split("\n")[1] == f"seed 1, FID {last:.2f}"
    rows[3]["artifacts"] = {}
    assert "seed 2" in draw_gan_samples(section(rows), "unused.png").axes[0].get_title()
    none = section([row | {"artifacts": {}} for row in rows])
    assert has_samples(section(rows)) and not has_samples(none)
    with pytest.raises(UserError, match="artifact 'samples': none of the 6 rows of mnist, budget quick, has it"):
        draw_gan_samples(none, "unused.png")


def test_tiles_keep_the_images_apart_and_in_reading_order():
    images = np.arange(5)[:, None, None, None] / 10 * np.ones((5, 1, 2, 3))
    picture = tiled(images)
    assert picture.shape == (5, 11, 3)
    assert [picture[0, left, 0] for left in (0, 4, 8)] == [0.0, 0.1, 0.2] and picture[3, 4, 2] == 0.4
    assert picture[0, 3, 0] == picture[2, 0, 0] == picture[3, 8, 0] == 1.0
    colours = tiled(np.stack([np.full((2, 2), each) for each in (0.1, 0.2, 0.3)])[None])
    assert colours[0, 0].tolist() == [0.1, 0.2, 0.3]
    with pytest.raises(UserError, match="samples have 2 channels: allowed are 1 and 3"):
        tiled(np.ones((1, 2, 2, 2)))


def test_stored_images_have_their_shape():
    row = gan_row("DCGAN", 0)
    assert stored_array(row, "samples").shape == (6, 1, 8, 8)
    row["artifacts"]["samples"]["grid"] = [3, 8, 8]
    with pytest.raises(UserError, match=r"samples has 384 values, shape=\[6, 64\], grid=\[3, 8, 8\]: needed is"):
        stored_array(row, "samples")


def test_publish_draws_what_there_is(tmp_path):
    rows = [gan_row("DCGAN", 0), gan_row("AGNN-ADR", 0, dataset="celeba"), failed(gan_row(budget="smoke"))]
    rows[0]["artifacts"] = {}
    names = {path.name for path in publish("gan-table1", rows, tmp_path) if path.suffix == ".png"}
    mnist = {f"gan_{kind}_mnist_quick.png" for kind in ("figure1", "fid")}
    assert names == mnist | {f"gan_{kind}_celeba_quick.png" for kind in ("figure1", "fid", "rate", "samples")}
    assert all(imread(path).std() > 0.05 for path in (tmp_path / "figures").iterdir())

from datetime import timedelta

from fraud_assets.feed_catalogue import catalogue_digest, feed_catalogue
from fraud_assets.feeds import parse_feed
from gpu_ops.features import CATALOGUE, Catalogue, WindowFeature, feature_names, history_needed

FEED = """
name: shop
columns: {kind: {constant: card}, amount: amount, currency: {constant: EUR}, payer_id: a,
  payee_id: b}
time: {column: at}
entities: {payer: account, payee: account}
"""


def test_a_feed_sets_how_far_back_features_look_and_files_are_read_the_same() -> None:
    plain = parse_feed(FEED, "shop.yaml")
    longer = parse_feed(f"{FEED}lookback: 200 days\n", "shop.yaml")
    assert plain.lookback == timedelta(days=120)
    assert history_needed(feed_catalogue(longer)) == timedelta(days=200)
    assert feature_names(feed_catalogue(longer)) == feature_names()
    assert longer.digest == plain.digest


def test_the_digest_tells_every_change_of_what_features_mean() -> None:
    plain = parse_feed(FEED, "shop.yaml")
    longer = plain.model_copy(update={"lookback": timedelta(days=121)})
    card = parse_feed(FEED.replace("payee: account", "payee: shop"), "shop.yaml")
    catalogues = [
        CATALOGUE,
        CATALOGUE.plus(WindowFeature("payer", "count", timedelta(hours=5))),
        Catalogue(CATALOGUE.windows, CATALOGUE.rows[1:]),
        feed_catalogue(longer),
        feed_catalogue(card),
    ]
    assert len({catalogue_digest(one) for one in catalogues}) == len(catalogues)
    assert catalogue_digest(feed_catalogue(plain)) == catalogue_digest(CATALOGUE)
    assert feed_catalogue(None) == CATALOGUE

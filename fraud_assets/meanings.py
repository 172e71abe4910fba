"""What each column means: the text of the data dictionary and of the UI's column tables."""

from collections.abc import Mapping
from typing import Final

from gpu_ops.features import CATALOGUE

MEANING: Final[Mapping[str, str]] = {
    "transaction_id": "The transaction, unique in its feed",
    "occurred_at": "When it happened, UTC",
    "feed": "The feed that the transaction came from",
    "kind": "Payment, transfer, cash out, cash in, debit or card",
    "amount": "Positive amount in major units of the currency; in a ring: the sum moved inside it",
    "currency": "ISO 4217 code",
    "payer_id": "Account, card or customer that pays, as sent",
    "payee_id": "Account, merchant or terminal that is paid, as sent",
    "payer": "The payer as a node of the account graph: feed:entity:id",
    "payee": "The payee as a node of the account graph: feed:entity:id",
    "payer_balance_before": "The payer's balance before the decision, where the feed has it",
    "payee_balance_before": "The payee's balance before the decision, where the feed has it",
    "is_fraud": "The label, empty where there is none",
    "label_known_at": "When the label became known",
    "known_at": "When the label became known; it counts from then on",
    "source": "Who judged: analyst, chargeback, file or another",
    "by": "The analyst who judged, where one did",
    "reason": "Why, in the judge's own words",
    "source_file": "The file that the row came from",
    "source_row": "Row in that file; 1 is the first data row",
    "anomaly_score": "How odd the transaction looks to the isolation forest, 0 to 1",
    "fraud_probability": "The champion model's calibrated probability; empty without a model",
    "fraud_margin": "The champion's raw score in log-odds, which the probability rises with; empty "
    "without a model",
    "expected_loss": "Fraud probability x amount; empty without a model",
    "decision": "What is recommended: none, alert or block; release: to be blocked, but let "
    "through by lot to see its outcome. Nothing is carried out here; empty without a model",
    "in_sample": "The row helped to fit, stop or calibrate what scored it; it counts in no metric",
    "may_alert": "The row is among its day's best candidates for an alert",
    "reasons": "Why: stable codes, strongest first",
    "contributions": "What each group of features and the bias add to the raw score; empty in "
    "rows that may not alert",
    "model_version": "The model that scored the row",
    "payer_ring_score": "Score of the payer's strongest ring known before the row's day",
    "payee_ring_score": "Score of the payee's strongest ring known before the row's day",
    "ring_snapshot": "The snapshot of rings that was used",
    "challenger_probability": "A challenger's probability, in shadow: it decides nothing",
    "challenger_version": "The challenger that scored the row in shadow; empty without one",
    "n_transactions": "Transactions counted",
    "amount_sum": "Sum of their amounts",
    "amount_max": "Largest of their amounts",
    "first_at": "First of them",
    "last_at": "Last of them",
    "account": "The account: feed:entity:id",
    "pagerank": "Share of money flow that ends here, by PageRank",
    "component": "Connected component, numbered by its first account",
    "component_size": "Accounts in the component",
    "community": "Leiden community, numbered by its first account",
    "community_size": "Accounts in the community",
    "ring_id": "The ring; made of its earliest transactions, so it stays the same",
    "pattern": "Its shape: fan-in, fan-out, cycle, scatter-gather, gather-scatter or cluster",
    "score": "How strong the evidence is, 0 to 1; in an evaluation: the model's probability",
    "accounts": "Accounts in the ring",
    "transaction_ids": "The transactions that are its evidence",
    "n_accounts": "Accounts counted",
    "alert_id": "The alert; stable, also when a run is repeated",
    "alert_type": "Transaction or ring",
    "subject_id": "The transaction or ring that the alert is about",
    "event_day": "UTC day of the event; the review capacity is per day",
    "rank": "1 is to be looked at first",
    "ranked_by": "What the rank rests on",
    "explanation": "The case in plain words, made from its evidence",
    "published_in": "The run that published it first, by its id",
    "window": "Training, validation or test",
    "weight": "Stands for so many rows in training",
    "metric": "What is measured",
    "value": "The new model's figure; empty where it is not defined",
    "ceiling": "What perfect scores reach on the same rows",
    "random": "What a random order reaches on the same rows",
    "max_probability": "Highest fraud probability among them; empty without a model",
    "mean_anomaly": "Mean anomaly score of them",
    "in_degree": "Accounts that paid it",
    "out_degree": "Accounts that it paid",
    "n_in": "Transactions that it received",
    "n_out": "Transactions that it paid",
    "amount_in": "Sum of what it received",
    "amount_out": "Sum of what it paid",
    "pass_through": "What came in or went out, the smaller divided by the larger; 1 keeps nothing",
    "is_hub": "Many pay it or are paid by it: a merchant, payroll or exchange",
    "centre": "The account that a fan or gather-scatter turns around; empty for other shapes",
    "surprise": "How far chance falls short of explaining it, in nats",
    "shape": "How complete its shape is, 0 to 1",
    "coherence": "How well its amounts fit together, 0 to 1",
    "probability": "Mean fraud probability of its transactions; empty without a model",
    "community_share": "Share of its accounts in its most common community",
    "related_transaction_ids": "The day's other suspicious transactions between the two",
    "transaction_amount": "Positive amount in major units of the currency, not rounded",
    "champion": "The figure of the model that scores at present, on the same rows; may be empty",
    "feature": "A feature that the model may use; the data dictionary tells what it is",
    "gain": "How much the splits on this feature lowered the loss, on average; 0 if unused",
    "gain_share": "Its part of the gain of all splits of the model, 0 to 1",
    "splits": "How many splits of the trees use the feature",
    "model": "The model that is judged",
    "verdict": "What the gate says of the model as a whole: approved, pending or rejected",
    "bar": "What the figure must reach",
    "outcome": "What the gate says of this figure alone",
    "window_from": "First moment of the window of event time, UTC",
    "window_to": "First moment after it, UTC",
    "column": "A feature, kind, currency, or the champion's score",
    "reference_rows": "Rows of the sample of the champion's training window",
    "current_rows": "Rows of the sample of this window",
    "psi": "Population stability index: below 0.1 stable, from 0.2 on moved; absent values count",
    "ks": "Kolmogorov-Smirnov distance, 0 to 1; empty for categories",
    "wasserstein": "Wasserstein distance in spreads of the reference; empty for categories",
    "reference_null_share": "Share of absent values in the reference",
    "null_share": "Share of absent values in this window",
    "condition": "Stable, moved, data fault or too few rows: this column alone",
    "window_condition": "Stable, moved, drift, data fault or too few rows: the window as a whole",
}

_FEATURES: Final = {feature.name: feature.description for feature in CATALOGUE}


def meaning_of(column: str) -> str:
    """What a column means, the features of the catalogue among them.

    Raises:
        KeyError: Nobody has written it down.
    """
    known = MEANING.get(column) or _FEATURES.get(column)
    if known is None:
        raise KeyError(f"the column {column!r} has no meaning in fraud_assets/meanings.py")
    return known

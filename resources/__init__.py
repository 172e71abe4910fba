"""What assets reach the world through: settings, lake, models, explainer, notifier."""

"""The claims of the survey, each with the sweep that measures it and the rule that judges it from records alone."""

"""From a pretrained checkpoint to a robust dense classifier: fine-tune members, adversarially too,
and average them.
"""

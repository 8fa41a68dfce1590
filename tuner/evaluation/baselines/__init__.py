"""What networks are held against: boosted trees and logistic regression."""

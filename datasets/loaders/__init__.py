"""One loader per dataset."""
